using StreamRec.Domain;

namespace StreamRec.Training.Evaluation;

/// <summary>Cases of one kind.</summary>
/// <param name="Name">For example <c>5-9</c>.</param>
/// <param name="Metrics">Their figures.</param>
public sealed record CaseGroup(string Name, RankingMetrics Metrics);

/// <summary>Which cases a model is good at: by the length of the history and by how often the target occurs in training.</summary>
/// <remarks>The bounds are fixed, so that groups mean the same on every data set.</remarks>
/// <param name="Lengths">Index into <see cref="LengthNames"/> of each case.</param>
/// <param name="Popularities">Index into <see cref="PopularityNames"/> of each case.</param>
public sealed record Breakdown(byte[] Lengths, byte[] Popularities)
{
    private static readonly int[] LengthStarts = [1, 5, 10, 20, 50];
    private static readonly int[] PopularityStarts = [0, 1, 6, 21, 51];

    /// <summary>Items in the history.</summary>
    public static IReadOnlyList<string> LengthNames { get; } = ["1-4", "5-9", "10-19", "20-49", "50+"];

    /// <summary>Occurrences of the target in the training histories.</summary>
    public static IReadOnlyList<string> PopularityNames { get; } = ["0", "1-5", "6-20", "21-50", "51+"];

    /// <summary>Sorts cases into groups.</summary>
    /// <param name="train">Histories that popularity is counted on.</param>
    /// <param name="cases">The cases.</param>
    public static Breakdown Of(IEnumerable<UserHistory> train, IReadOnlyList<TestCase> cases)
    {
        var counts = new Dictionary<int, int>();
        foreach (var item in train.SelectMany(user => user.Items))
        {
            counts[item] = counts.GetValueOrDefault(item) + 1;
        }

        return new Breakdown(
            [.. cases.Select(test => Group(LengthStarts, test.History.Length))],
            [.. cases.Select(test => Group(PopularityStarts, counts.GetValueOrDefault(test.Target)))]);
    }

    /// <summary>Figures by length of the history; groups without cases are left out.</summary>
    public IReadOnlyList<CaseGroup> ByLength(IReadOnlyList<byte> ranks) => Split(LengthNames, Lengths, ranks);

    /// <summary>Figures by popularity of the target; groups without cases are left out.</summary>
    public IReadOnlyList<CaseGroup> ByPopularity(IReadOnlyList<byte> ranks) => Split(PopularityNames, Popularities, ranks);

    private static byte Group(int[] starts, int value) => (byte)Math.Max(0, Array.FindLastIndex(starts, start => value >= start));

    private static CaseGroup[] Split(IReadOnlyList<string> names, byte[] groups, IReadOnlyList<byte> ranks) =>
        [.. names
            .Select((name, group) => new CaseGroup(name, RankingMetrics.Of(ranks.Where((_, i) => groups[i] == group))))
            .Where(group => group.Metrics.Cases > 0)];
}
