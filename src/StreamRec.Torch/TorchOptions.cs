namespace StreamRec.Torch;

/// <summary>How libtorch is set up in this process.</summary>
public sealed record TorchOptions
{
    /// <summary>
    /// Threads of one operation; 0 leaves the choice to libtorch (all cores). See <see
    /// cref="TorchRuntime.SetThreads"/>.
    /// </summary>
    public int Threads { get; init; }

    /// <summary>
    /// The kernel family that OpenBLAS uses, for example <c>SkylakeX</c>; null picks SkylakeX on a CPU with AVX-512 and
    /// otherwise leaves the choice to OpenBLAS. Has no effect once the library is loaded, nor when OPENBLAS_CORETYPE is
    /// set in the environment.
    /// </summary>
    public string? OpenBlasCoreType { get; init; }
}
