namespace StreamRec.Benchmarks;

/// <summary>How a run ends that has to find nothing.</summary>
internal static class Violations
{
    /// <returns>The exit code: 0 when there are none.</returns>
    public static int Print(IReadOnlyList<string> violations)
    {
        foreach (var violation in violations)
        {
            Console.WriteLine($"VIOLATION {violation}");
        }

        Console.WriteLine(violations.Count == 0 ? "0 violations." : $"{violations.Count} violations, or more.");
        return violations.Count == 0 ? 0 : 1;
    }
}
