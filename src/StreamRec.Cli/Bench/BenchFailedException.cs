namespace StreamRec.Cli.Bench;

/// <summary>What was to be measured did not do its work, so there is no figure.</summary>
internal sealed class BenchFailedException(string message) : Exception(message);
