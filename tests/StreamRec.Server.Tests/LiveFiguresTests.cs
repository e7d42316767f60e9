using System.Diagnostics;
using StreamRec.Domain;

namespace StreamRec.Server.Tests;

public sealed class LiveFiguresTests
{
    [Fact]
    public void Nothing_published_has_no_latency() => Assert.Equal((0.0, 0.0), new LiveFigures().Latency());

    [Fact]
    public void One_list_is_its_own_median_and_percentile()
    {
        var figures = new LiveFigures();
        figures.Published(ListOfAge(hours: 3));

        AssertHours(3, 3, figures);
    }

    [Fact]
    public void The_median_and_the_99th_percentile_do_not_depend_on_the_order_of_lists()
    {
        var figures = new LiveFigures();
        var ages = Enumerable.Range(1, 999).ToArray();
        new Random(5).Shuffle(ages);
        foreach (var age in ages)
        {
            figures.Published(ListOfAge(age));
        }

        AssertHours(500, 990, figures);
    }

    [Fact]
    public void One_slow_list_in_a_hundred_does_not_make_the_99th_percentile()
    {
        var figures = new LiveFigures();
        figures.Published(ListOfAge(1000));
        for (var i = 0; i < 99; i++)
        {
            figures.Published(ListOfAge(1));
        }

        AssertHours(1, 1, figures);
    }

    [Fact]
    public void Only_the_last_8192_lists_count_for_latency_and_all_for_the_number()
    {
        var figures = new LiveFigures();
        for (var i = 0; i < 5000; i++)
        {
            figures.Published(ListOfAge(1000));
        }

        for (var i = 0; i < 8192; i++)
        {
            figures.Published(ListOfAge(2));
        }

        AssertHours(2, 2, figures);
        Assert.Equal(13_192, figures.Lists);
    }

    [Fact]
    public void Lists_that_no_model_computed_are_counted_apart()
    {
        var figures = new LiveFigures();
        foreach (var fallback in Enum.GetValues<Fallback>())
        {
            figures.Published(ListOfAge(1) with { Fallback = fallback });
        }

        Assert.Equal((4L, 3L), (figures.Lists, figures.Fallbacks));
    }

    [Fact]
    public void A_first_model_is_no_swap()
    {
        var figures = new LiveFigures();
        figures.Activated(takesOver: false);
        figures.Activated(takesOver: true);

        Assert.Equal(1, figures.Swaps);
    }

    [Fact]
    public async Task Counting_from_many_threads_misses_nothing()
    {
        var figures = new LiveFigures();

        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(
            () =>
            {
                for (var i = 0; i < 5000; i++)
                {
                    figures.Observed("u"u8, new SequenceEntry(1, InteractionType.Click), []);
                    figures.Published(ListOfAge(1));
                }
            },
            TestContext.Current.CancellationToken)));

        Assert.Equal((40_000L, 40_000L), (figures.Interactions, figures.Lists));
    }

    // Hours, so that the time that the test itself takes is below what is compared.
    private static Recommendation ListOfAge(int hours) => new(
        "u", 1, [], null, Fallback.None,
        new Cause(null, 0, null, "r", null, Stopwatch.GetTimestamp() - hours * 3600L * Stopwatch.Frequency), 10, DateTimeOffset.UnixEpoch);

    private static void AssertHours(double median, double percentile, LiveFigures figures)
    {
        var (p50, p99) = figures.Latency();

        Assert.Equal((median, percentile), (Math.Floor(p50 / 3_600_000), Math.Floor(p99 / 3_600_000)));
    }
}
