using System.Diagnostics.CodeAnalysis;

namespace ModelCompression.Runtime.Calibration;

/// <summary>Something to dispose of that is only made when it is needed; several threads share it.</summary>
/// <param name="make">Makes it.</param>
internal sealed class Lazily<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicParameterlessConstructor)] T>(Func<T> make) : IDisposable where T : IDisposable
{
    private readonly Lazy<T> made = new(make);

    /// <summary>It, made now if it has not been.</summary>
    public T Value => made.Value;

    /// <inheritdoc/>
    public void Dispose()
    {
        if (made.IsValueCreated) made.Value.Dispose();
    }
}
