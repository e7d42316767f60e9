using StreamRec.Cli.Bench;
using StreamRec.Domain;
using StreamRec.Inference;
using StreamRec.Models.Transitions;

namespace StreamRec.Benchmarks;

/// <summary>
/// Transition counts under load: 12,000 items, the popular ones far more often, 20,000 users with 50 interactions each. Counting by one thread
/// and by four, then lists of 10 for full windows, filled up by popularity, on one thread.
/// </summary>
internal static class TransitionsBenchmark
{
    private const int Users = 20_000;
    private const int History = 50;
    private const int Items = 12_000;
    private const int Lists = 20_000;

    public static async Task RunAsync(int rounds)
    {
        var histories = Histories(new Random(1));
        var report = await BenchReport.RunAsync(
            $"./build.sh bench transitions {rounds}",
            "transitions",
            $"{Users * History:N0} interactions of {Users:N0} users on {Items:N0} items, then {Lists:N0} lists of 10 from windows of {History}.",
            rounds,
            [
                async (_, _) => [(await CountAsync(Empty(), histories, threads: 1)).As("counting, 1 thread", "interactions")],
                async (_, _) => [(await CountAsync(Empty(), histories, threads: 4)).As("counting, 4 threads", "interactions")],
                (_, _) => CountedAsync(histories),
            ],
            CancellationToken.None);
        report.Write();
    }

    private static TransitionCounts Empty() => new(new TransitionsSettings(), Items);

    /// <summary>What counts take, and lists from them.</summary>
    private static async Task<IReadOnlyList<Sample>> CountedAsync(int[][] histories)
    {
        var before = GC.GetTotalMemory(forceFullCollection: true);
        var counts = Empty();
        await CountAsync(counts, histories, threads: 1);
        var bytes = GC.GetTotalMemory(forceFullCollection: true) - before;
        return [(await ListsAsync(counts, histories)).As("lists", "lists"), new Sample("memory of an item", bytes / (double)Items, "B")];
    }

    private static Task<Measurement> CountAsync(TransitionCounts counts, int[][] histories, int threads) =>
        Measurement.OfAsync(Users * History, () => Task.WhenAll(Enumerable.Range(0, threads).Select(thread => Task.Run(() =>
        {
            for (var user = thread; user < histories.Length; user += threads)
            {
                for (var i = 0; i < History; i++)
                {
                    counts.Count(histories[user][i], histories[user].AsSpan(0, i));
                }
            }
        }))));

    private static Task<Measurement> ListsAsync(TransitionCounts counts, int[][] histories)
    {
        var catalogue = new Catalogue();
        var popularity = new Popularity(catalogue, TimeProvider.System);
        for (var item = 0; item < Items; item++)
        {
            catalogue.Add($"item-{item:d5}");
            popularity.Count(item);
        }

        var fallback = new FallbackLists(catalogue, new TransitionEvidence(counts, counts.Settings), popularity);
        return Measurement.OfAsync(Lists, () => Task.Run(() =>
        {
            for (var user = 0; user < Lists; user++)
            {
                if (fallback.Top(10, histories[user], histories[user]).Count != 10)
                {
                    throw new InvalidOperationException($"The list of user {user} is short.");
                }
            }
        }));
    }

    private static int[][] Histories(Random random) =>
        [.. Enumerable.Range(0, Users).Select(_ => Enumerable.Range(0, History).Select(_ => (int)(Items * Math.Pow(random.NextDouble(), 3))).ToArray())];
}
