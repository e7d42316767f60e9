using System.Text.Json;

namespace StreamRec.Models.Transitions;

/// <summary>How a transition counts less the more items lie between its two.</summary>
public enum TransitionDecay
{
    /// <summary>d^-rate at distance d.</summary>
    Power,

    /// <summary>rate^(d-1) at distance d.</summary>
    Geometric,
}

/// <summary>What is counted and how it is asked: <c>transitions</c> in a recipe. Defaults are the published settings for Amazon Beauty, but for tau.</summary>
/// <remarks>
/// Source: PCTM, https://github.com/spotify-research/sequential-capacity-probes. The first three make the counts; the others can be
/// changed afterwards, without counting again.
/// </remarks>
public sealed record TransitionsSettings
{
    public TransitionDecay Decay { get; init; } = TransitionDecay.Power;

    /// <summary>See <see cref="TransitionDecay"/>; power: 0 to 10 (0 = all distances alike), geometric: 0 to 1.</summary>
    public double Rate { get; init; } = 0.5;

    /// <summary>The largest distance that is counted, 1 to 1,000: what one interaction costs.</summary>
    public int Reach { get; init; } = 10;

    /// <summary>
    /// Evidence is log(1 + count × items / tau), above 0: the larger, the more transitions a pair needs to be noticed. Null: as many as there
    /// are items, which all published settings are near and which suits a catalogue of any size.
    /// </summary>
    public double? Tau { get; init; }

    /// <summary>How much less each earlier item of the window says than the one after it, above 0 to 1.</summary>
    public double WindowRatio { get; init; } = 0.6;

    /// <summary>Newest items to which <see cref="WindowRatio"/> applies, 1 to 10,000; all before them are alike. Null: it applies to all.</summary>
    public int? Head { get; init; }

    /// <summary>Share of the weight that the head has when there is something before it, above 0 to 1.</summary>
    public double HeadMass { get; init; } = 0.8;

    /// <summary>Newest items that are asked, 1 to 10,000: what one list costs.</summary>
    public int Window { get; init; } = 50;

    /// <summary>Factor of log(1 + how often an item occurs), -10 to 10; below 0 makes popular items work for their place.</summary>
    public double Popularity { get; init; } = -0.04;

    /// <summary>The section of a family's recipe: <c>transitions</c>, or <c>evidence.transitions</c>; the defaults where there is none.</summary>
    /// <exception cref="ArgumentException">A key is unknown or a value out of range; the message names it.</exception>
    public static TransitionsSettings Of(JsonElement recipe)
    {
        var section = Find(recipe, "evidence") is { ValueKind: JsonValueKind.Object } evidence ? evidence : recipe;
        return (Find(section, "transitions") is { } settings
            ? RecipeJson.Read<TransitionsSettings>(settings, "section transitions of the")
            : new TransitionsSettings()).Checked();

        // As the whole recipe is read: upper or lower case, the last one counts.
        static JsonElement? Find(JsonElement element, string name) => element.ValueKind == JsonValueKind.Object
            ? element.EnumerateObject().Where(property => property.Name.Equals(name, StringComparison.OrdinalIgnoreCase)).Select(property => (JsonElement?)property.Value).LastOrDefault()
            : null;
    }

    /// <summary>Whether counts made with the other settings are the same.</summary>
    public bool CountsAs(TransitionsSettings other) => (Decay, Rate, Reach) == (other.Decay, other.Rate, other.Reach);

    /// <summary>Itself.</summary>
    /// <exception cref="ArgumentException">A value is out of range; the message names it.</exception>
    public TransitionsSettings Checked()
    {
        Check("rate", Rate, 0, Decay == TransitionDecay.Power ? 10 : 1);
        Check("reach", Reach, 1, 1_000);
        Check("tau", Tau ?? 1, 1e-6, 1e12);
        Check("windowRatio", WindowRatio, 1e-6, 1);
        Check("head", Head ?? 1, 1, 10_000);
        Check("headMass", HeadMass, 1e-6, 1);
        Check("window", Window, 1, 10_000);
        Check("popularity", Popularity, -10, 10);
        return this;

        static void Check(string key, double value, double low, double high)
        {
            if (!(value >= low && value <= high))
            {
                throw new ArgumentException($"transitions.{key} is {value}; it must be in [{low}, {high}].");
            }
        }
    }

    /// <summary>What a transition counts at distance 1, 2, … <see cref="Reach"/>.</summary>
    internal float[] DecayByDistance() =>
        [.. Enumerable.Range(1, Reach).Select(d => (float)(Decay == TransitionDecay.Power ? Math.Pow(d, -Rate) : Math.Pow(Rate, d - 1)))];

    /// <summary>Items that are asked at the most: without a head those that say less than a thousandth of the newest are left out.</summary>
    internal int Asked => Head is null && WindowRatio < 1 ? (int)Math.Min(Window, 1 + (Math.Log(1e-3) / Math.Log(WindowRatio))) : Window;

    /// <summary>How much each item of a window says, newest first; 1 in all.</summary>
    /// <param name="length">Items in the window, at most <see cref="Asked"/>.</param>
    internal float[] WindowWeights(int length)
    {
        var weights = new float[length];
        var head = Math.Min(Head ?? length, length);
        var sum = 0.0;
        for (var j = 0; j < head; j++)
        {
            weights[j] = (float)Math.Pow(WindowRatio, j);
            sum += weights[j];
        }

        var mass = head < length ? HeadMass : 1;
        for (var j = 0; j < length; j++)
        {
            weights[j] = (float)(j < head ? mass * weights[j] / sum : (1 - mass) / (length - head));
        }

        return weights;
    }
}
