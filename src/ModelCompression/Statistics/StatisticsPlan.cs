using System.Diagnostics.CodeAnalysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Statistics;

/// <summary>What a pass wants to know about the tensors of a model. Requests for the same statistic of the same tensor share one object.</summary>
public sealed class StatisticsPlan
{
    private readonly Dictionary<(Value, string), TensorStatistic> known = [];
    private readonly List<(Value Tensor, TensorStatistic Statistic)> single = [];
    private readonly List<(Value X, Value Y, PairStatistic Statistic)> pairs = [];

    /// <summary>Most samples to run, or null for all that <c>CalibrationSamples</c> allows.</summary>
    public int? SampleLimit { get; init; }

    /// <summary>Asked after each sample, in sample order: true if others cannot change what follows from the figures, and are left out. Null to see all.</summary>
    public Func<bool>? IsEnough { get; init; }

    /// <summary>Values of inputs that the samples have none for.</summary>
    public IReadOnlyDictionary<Value, Tensor> Inputs { get; init; } = new Dictionary<Value, Tensor>();

    /// <summary>Statistics of one tensor, in the order they were asked for.</summary>
    public IReadOnlyList<(Value Tensor, TensorStatistic Statistic)> Single => single;

    /// <summary>Statistics of two tensors, in the order they were asked for.</summary>
    public IReadOnlyList<(Value X, Value Y, PairStatistic Statistic)> Pairs => pairs;

    /// <summary>Asks for a statistic of a tensor: a graph input, a constant, or anything a node of the main graph computes.</summary>
    /// <param name="tensor">The tensor.</param>
    /// <param name="key">Names the statistic with its parameters; the same key means the same statistic.</param>
    /// <param name="make">Makes it, if it was not asked for before.</param>
    /// <exception cref="ArgumentException">The key stands for a statistic of another type.</exception>
    public T Need<T>(Value tensor, string key, Func<T> make) where T : TensorStatistic
    {
        if (known.TryGetValue((tensor, key), out var old)) return old as T ?? throw new ArgumentException($"'{key}' is a {old.GetType().Name}.", nameof(key));
        var statistic = make();
        known.Add((tensor, key), statistic);
        single.Add((tensor, statistic));
        return statistic;
    }

    /// <summary>Asks for a statistic of two tensors.</summary>
    public T Need<T>(Value x, Value y, T statistic) where T : PairStatistic
    {
        pairs.Add((x, y, statistic));
        return statistic;
    }

    /// <summary>True if a run can show the tensor: it belongs to the main graph.</summary>
    public static bool CanObserve([NotNullWhen(true)] Value? tensor, Model model) => tensor is not null && tensor.Graph == model.Graph;
}
