using ModelCompression.Onnx.Diagnostics;

namespace ModelCompression.Runtime;

/// <summary>Tries the ways there are to make samples until the model runs on them and its outputs tell something.</summary>
internal static class SampleAttempts
{
    /// <summary>Ways that are tried because outputs of the first were saturated.</summary>
    private const int MaxMore = 8;

    /// <summary>The result of the first attempt that tells something; else of the first on which the model runs; else null.</summary>
    /// <param name="samples">Samples.</param>
    /// <param name="run">Runs the model on samples of an attempt; what it returns is disposed if it is not the result.</param>
    /// <param name="tells">False for a result whose outputs are the same nearly everywhere.</param>
    /// <param name="failure">The first failure, or null.</param>
    /// <exception cref="DiagnosticException">Other failures than MCB2041, with which a model refuses a sample.</exception>
    public static T? First<T>(SampleSource samples, Func<int, T> run, Func<T, bool> tells, out DiagnosticException? failure) where T : class
    {
        (failure, T? saturated) = (null, null);
        for (int attempt = 0, left = MaxMore; attempt < samples.AttemptCount && left > 0; attempt++)
        {
            try
            {
                var result = run(attempt);
                if (tells(result))
                {
                    (saturated as IDisposable)?.Dispose();
                    return result;
                }

                if (saturated is null) saturated = result;
                else (result as IDisposable)?.Dispose();
                left--;
            }
            catch (DiagnosticException e) when (e.Diagnostic.Code == "MCB2041")
            {
                failure ??= e;
            }
        }

        return saturated;
    }
}
