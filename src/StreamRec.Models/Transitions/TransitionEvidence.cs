using StreamRec.Domain;

namespace StreamRec.Models.Transitions;

/// <summary>
/// What the counted transitions say of the next item: score(a | h) = sum over j of w_j log(1 + C[h_j, a] × items / tau) + lambda log(1 + occurrences of a),
/// h newest first.
/// </summary>
/// <remarks>
/// Source: PCTM, https://github.com/spotify-research/sequential-capacity-probes. A list costs the rows of the window's newest items, however long the history is, and
/// one pass over the catalogue for lambda. Threading: every member from any thread; it sees the counts of the moment.
/// </remarks>
public sealed class TransitionEvidence : IEvidence
{
    // For windows of each length up to the longest.
    private readonly float[][] _weights;

    /// <param name="counts">The counts, which may go on growing.</param>
    /// <param name="settings">How to ask them.</param>
    /// <exception cref="ArgumentException">The settings are out of range, or the counts were made with another decay or reach.</exception>
    public TransitionEvidence(TransitionCounts counts, TransitionsSettings settings)
    {
        (Counts, Settings) = (counts, settings.Checked());
        if (!settings.CountsAs(counts.Settings))
        {
            throw new ArgumentException(
                $"The transitions were counted with decay {Text(counts.Settings)}; they cannot be asked with {Text(settings)}: use the same settings (a server counts as Training:Recipe says), or count again.");
        }

        _weights = new float[settings.Asked + 1][];

        static string Text(TransitionsSettings s) => FormattableString.Invariant($"{s.Decay} {s.Rate} up to distance {s.Reach}");
    }

    /// <summary>The counts.</summary>
    public TransitionCounts Counts { get; }

    /// <summary>How they are asked.</summary>
    public TransitionsSettings Settings { get; }

    /// <summary>Counts histories once.</summary>
    /// <param name="settings">What to count and how to ask.</param>
    /// <param name="histories">The training part and never what is held out.</param>
    /// <param name="catalogueCount">Item numbers to make room for.</param>
    public static TransitionEvidence Count(TransitionsSettings settings, IEnumerable<UserHistory> histories, int catalogueCount)
    {
        var counts = new TransitionCounts(settings, catalogueCount);
        foreach (var history in histories)
        {
            for (var i = 0; i < history.Items.Length; i++)
            {
                counts.Count(history.Items[i], history.Items.AsSpan(0, i));
            }
        }

        return new TransitionEvidence(counts, settings);
    }

    /// <inheritdoc/>
    public void AddTo(ReadOnlySpan<int> window, float weight, Span<float> scores)
    {
        var (length, scale) = (Math.Min(window.Length, Settings.Asked), Scale);
        var weights = WeightsOf(length);
        for (var j = 0; j < length; j++)
        {
            Counts.AddTo(window[^(j + 1)], scale, weight * weights[j], scores);
        }

        if (Settings.Popularity != 0)
        {
            var lambda = weight * (float)Settings.Popularity;
            var logs = Counts.LogOccurrences;
            for (var item = 0; item < scores.Length && item < logs.Length; item++)
            {
                scores[item] += lambda * logs[item];
            }
        }
    }

    private float Scale => Settings.Tau is { } tau ? Counts.Items / (float)tau : 1;

    private float[] WeightsOf(int length) => _weights[length] ??= Settings.WindowWeights(length);
}
