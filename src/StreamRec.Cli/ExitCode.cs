namespace StreamRec.Cli;

/// <summary>Exit codes of every command, those of sysexits where there is one.</summary>
internal static class ExitCode
{
    public const int Success = 0;

    /// <summary>The command did what it should and the answer is no, or something failed.</summary>
    public const int Failure = 1;

    /// <summary>The command line is wrong.</summary>
    public const int Usage = 2;

    /// <summary>Something else has to end first, for example another process on the same data.</summary>
    public const int Temporary = 75;

    /// <summary>A setting is wrong.</summary>
    public const int Configuration = 78;

    /// <summary>Ctrl-C before the work was done; <c>serve</c>, <c>broker</c> and <c>demo</c> end with success instead.</summary>
    public const int Interrupted = 130;
}
