namespace StreamRec.Torch;

/// <summary>libtorch refused an operation; the message is libtorch's own, without its C++ stack.</summary>
public sealed class TorchException(string message) : Exception(message);
