using System.Globalization;

namespace StreamRec.Benchmarks;

/// <summary>Whether a figure, mostly a ratio of two medians of one run, is what it should be.</summary>
internal static class Goal
{
    public static void AtMost(string what, double found, double goal) => Print(what, found, $"at most {Number(goal)}", found <= goal);

    public static void AtLeast(string what, double found, double goal) => Print(what, found, $"at least {Number(goal)}", found >= goal);

    private static void Print(string what, double found, string goal, bool met) =>
        Console.WriteLine($"{(met ? "met   " : "MISSED")} {what}: {Number(found)} (goal: {goal})");

    private static string Number(double value) => value.ToString(value >= 100 ? "N0" : "0.##", CultureInfo.InvariantCulture);
}
