using ModelCompression.Benchmarks;

return args switch
{
    ["read-write", .. var rest] => ReadWriteBenchmark.Run(rest),
    ["surgery", .. var rest] => SurgeryBenchmark.Run(rest),
    ["race", { }, { }, ..] => ToolRace.Run(args[1..]),
    ["schemes", { }, ..] => SchemeTable.Run(args[1..]),
    ["gradients", { }, { }, ..] => GradientCost.Run(args[1..]),
    ["calibration", { }, { }, ..] => CalibrationCost.Run(args[1..]),
    ["criteria", { }, { }, { }, ..] => CriteriaTable.Run(args[1..]),
    ["search", { }, { }, ..] => SearchRace.Run(args[1..]),
    _ => Usage(),
};

static int Usage()
{
    Console.Error.WriteLine("""
        usage: dotnet run -c Release --project tests/ModelCompression.Benchmarks -- BENCHMARK [arguments]
          read-write [MODEL]   reads and writes a model (by default one of the shape of BERT-base, 434 MB) beside a copy of its files
          surgery [MODEL]      reads a model, removes half of its channels and writes it, beside a copy of its files
          race MODEL TOOL_FOLDER [--runs N] [--against 'COMMAND {in} {out}'] [-- OPTIONS]
                               whole runs of the published tool, of cp and of other commands, in turn
          schemes MODEL|@LIST [--calibration DATA] [--validation DATA] [--text true] [--only 'NAME;NAME'] [--results FOLDER] [--measure all|quality|latency]
                  [--against NAME='COMMAND {in} {out} {calibration}'|@LIST]
                               bytes, fidelity, accuracy and latency of every scheme, and of other tools; a LIST has such arguments, or such commands, line by line;
                               FOLDER keeps results for a later call, as for one that measures latency when the machine is quiet
          gradients MODEL DATA [MINI-BATCHES] [FILE]
                               CPU time of scores by gradients against the forward run of the same samples; FILE takes the gradient graph
          calibration MODEL DATA [SAMPLES [METHOD…]]
                               CPU time of collecting ranges by every method against bare runs over the same samples
          criteria MODEL TRAINING_DATA VALIDATION_DATA [EPOCHS]
                               metric of every pruning criterion at 30, 50, 70 and 90 %: without recovery, refitted, fine-tuned
          search MODEL VALIDATION_DATA [SEEDS] [NAME=VALUE ...]
                               Strategy=Auto against random search at equal cost
        """);
    return 2;
}
