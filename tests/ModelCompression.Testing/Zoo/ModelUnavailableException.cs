namespace ModelCompression.Testing.Zoo;

/// <summary>A model or data set cannot be had on this machine.</summary>
internal sealed class ModelUnavailableException(string message) : Exception(message);
