using StreamRec.Models.Transitions;

namespace StreamRec.Models.Tests;

/// <summary>The published figures of the count model on the public data, at the published settings: full ranking of each user's last item.</summary>
/// <remarks>Tolerance: a third of a standard error; what else the publication does not say (how counts of 0 enter the logarithm) moves no more.</remarks>
public sealed class TransitionAccuracyTests
{
    private static readonly TransitionsSettings Beauty = new() { Tau = 11_250 };

    private static readonly TransitionsSettings Sports = new() { Tau = 15_000, Head = 10, HeadMass = 0.8, WindowRatio = 0.7, Popularity = 0 };

    private static readonly TransitionsSettings Toys = new()
    {
        Decay = TransitionDecay.Geometric,
        Rate = 0.7,
        Reach = 20,
        Tau = 15_000,
        Head = 7,
        HeadMass = 0.8,
        WindowRatio = 0.6,
        Popularity = 0,
    };

    // What is masked is 6.7 % of the answers on Yelp, so it is judged unmasked.
    private static readonly TransitionsSettings Yelp = new() { Reach = 20, Tau = 15_000, Head = 50, WindowRatio = 0.98, Popularity = 0 };

    [Theory]
    [InlineData("Beauty", 1, 0.0635, 0.0998)]
    [InlineData("Beauty", 2, 0.0551, 0)]
    [InlineData("Sports_and_Outdoors", 1, 0.0369, 0.0616)]
    [InlineData("Toys_and_Games", 1, 0.0737, 0.1130)]
    [InlineData("Yelp", 1, 0.0442, 0.0760)]
    public void Counts_reach_the_published_figures(string name, int heldOut, double ndcg, double hitRate)
    {
        var histories = ResearchData.Read(name);
        var settings = name switch { "Beauty" => Beauty, "Yelp" => Yelp, _ => name[0] == 'S' ? Sports : Toys };
        var items = histories.Max(history => history.Items.Max()) + 1;
        var started = TimeProvider.System.GetTimestamp();
        var evidence = TransitionEvidence.Count(settings, histories.Select(history => history with { Items = history.Items[..^heldOut] }), items);
        var counted = TimeProvider.System.GetElapsedTime(started);
        var (hits, gain) = (0.0, 0.0);
        var scores = new float[items];
        foreach (var history in histories)
        {
            Array.Clear(scores);
            var window = history.Items.AsSpan(0, history.Items.Length - 1);
            evidence.AddTo(window, 1, scores);
            foreach (var item in name == "Yelp" ? [] : window)
            {
                scores[item] = float.NegativeInfinity;
            }

            var place = Array.IndexOf(TopK.Select(scores, 10), history.Items[^1]);
            hits += place >= 0 ? 1 : 0;
            gain += place >= 0 ? 1 / Math.Log2(place + 2) : 0;
        }

        TestContext.Current.SendDiagnosticMessage(
            "{0} without the last {1}: NDCG@10 {2:F4}, HR@10 {3:F4}; counted in {4:F2} s, ranked in {5:F2} s",
            name, heldOut, gain / histories.Length, hits / histories.Length, counted.TotalSeconds, TimeProvider.System.GetElapsedTime(started).TotalSeconds - counted.TotalSeconds);
        Assert.Equal(ndcg, gain / histories.Length, 0.0005);
        if (hitRate > 0)
        {
            Assert.Equal(hitRate, hits / histories.Length, 0.001);
        }
    }
}
