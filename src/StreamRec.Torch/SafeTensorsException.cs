namespace StreamRec.Torch;

/// <summary>A safetensors file is malformed; the message names the tensor or field, its value and what was expected.</summary>
public sealed class SafeTensorsException(string message, Exception? inner = null) : Exception(message, inner);
