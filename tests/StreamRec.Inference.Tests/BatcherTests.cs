using System.Collections.Concurrent;
using StreamRec.Domain;

namespace StreamRec.Inference.Tests;

public sealed class BatcherTests
{
    private static readonly CancellationToken Now = TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_waiting_request_is_superseded_by_a_newer_one_of_the_same_user()
    {
        using var batcher = new Batcher(10);
        var superseded = new List<long>();
        await batcher.PostAsync(Request("u", 1, r => superseded.Add(r is null ? 1 : -1)), Now);
        await batcher.PostAsync(Request("u", 2), Now);

        var batch = new List<ListRequest>();
        Assert.True(batcher.Take(batch, 10));

        Assert.Equal([1], superseded);
        Assert.Equal(2, Assert.Single(batch).Sequence);
    }

    [Fact]
    public async Task A_request_of_its_own_is_neither_superseded_nor_superseding()
    {
        using var batcher = new Batcher(10);
        await batcher.PostAsync(Request("u", 1), Now);
        await batcher.PostAsync(Request("u", 2) with { Supersedes = false }, Now);
        await batcher.PostAsync(Request("u", 3), Now);

        var batch = new List<ListRequest>();
        batcher.Take(batch, 10);

        Assert.Equal([1, 2, 3], batch.Select(r => r.Sequence));
    }

    [Fact]
    public async Task One_user_s_own_requests_fill_no_more_than_a_batch_and_keep_their_order()
    {
        using var batcher = new Batcher(10);
        for (var sequence = 1; sequence <= 5; sequence++)
        {
            await batcher.PostAsync(Request("u", sequence) with { Supersedes = false }, Now);
        }

        var batch = new List<ListRequest>();
        batcher.Take(batch, 3);
        Assert.Equal([1, 2, 3], batch.Select(r => r.Sequence));

        batcher.Done(batch);
        batcher.Take(batch, 3);
        Assert.Equal([4, 5], batch.Select(r => r.Sequence));
    }

    [Fact]
    public async Task A_user_who_asks_many_times_leaves_most_of_the_batch_to_the_others()
    {
        using var batcher = new Batcher(100);
        for (var sequence = 1; sequence <= 50; sequence++)
        {
            await batcher.PostAsync(Request("crawler", sequence) with { Supersedes = false }, Now);
        }

        for (var user = 0; user < 20; user++)
        {
            await batcher.PostAsync(Request($"u{user}", 1), Now);
        }

        var batch = new List<ListRequest>();
        batcher.Take(batch, 16);
        Assert.Equal([1L, 2], batch.Where(r => r.UserId == "crawler").Select(r => r.Sequence));
        Assert.Equal(14, batch.Count(r => r.UserId != "crawler"));

        // Behind those who wait, not before them again.
        batcher.Done(batch);
        batcher.Take(batch, 16);
        Assert.Equal(["u14", "u15", "u16", "u17", "u18", "u19", "crawler", "crawler"], batch.Select(r => r.UserId));
        Assert.Equal([3L, 4], batch.TakeLast(2).Select(r => r.Sequence));
    }

    [Fact]
    public async Task A_user_whose_interactions_flood_in_costs_the_others_one_place_in_a_batch()
    {
        using var batcher = new Batcher(100);
        var batch = new List<ListRequest>();
        for (var (round, sequence) = (0, 0L); round < 10; round++)
        {
            await batcher.PostAsync(Request($"u{round}", 1), Now);
            for (var i = 0; i < 1000; i++)
            {
                await batcher.PostAsync(Request("crawler", ++sequence), Now);
            }

            await batcher.PostAsync(Request($"v{round}", 1), Now);
            batcher.Take(batch, 3);
            Assert.Equal(["crawler", $"u{round}", $"v{round}"], batch.Select(r => r.UserId).Order());
            Assert.Equal(sequence, batch.Single(r => r.UserId == "crawler").Sequence);
            batcher.Done(batch);
        }
    }

    [Fact]
    public async Task A_user_is_in_one_running_batch_at_a_time()
    {
        using var batcher = new Batcher(10);
        await batcher.PostAsync(Request("u", 1), Now);
        var first = new List<ListRequest>();
        batcher.Take(first, 10);
        await batcher.PostAsync(Request("u", 2), Now);
        await batcher.PostAsync(Request("v", 1), Now);

        var second = new List<ListRequest>();
        batcher.Take(second, 10);
        Assert.Equal("v", Assert.Single(second).UserId);

        batcher.Done(first);
        var third = new List<ListRequest>();
        batcher.Take(third, 10);
        Assert.Equal(("u", 2L), (third[0].UserId, third[0].Sequence));
    }

    [Fact]
    public async Task A_full_queue_makes_a_new_user_wait_and_costs_a_waiting_user_nothing()
    {
        using var batcher = new Batcher(1);
        await batcher.PostAsync(Request("u", 1), Now);
        var waiting = batcher.PostAsync(Request("v", 1), Now).AsTask();
        Assert.False(waiting.IsCompleted);
        Assert.True(batcher.PostAsync(Request("u", 2), Now).AsTask().IsCompletedSuccessfully);

        var batch = new List<ListRequest>();
        batcher.Take(batch, 10);
        await waiting;

        Assert.Equal(2, Assert.Single(batch).Sequence);
        Assert.Equal(1, batcher.Waiting);
    }

    [Fact]
    public async Task After_completion_what_waits_is_handed_out_and_nothing_is_accepted()
    {
        using var batcher = new Batcher(10);
        await batcher.PostAsync(Request("u", 1), Now);
        batcher.Complete();

        var batch = new List<ListRequest>();
        Assert.True(batcher.Take(batch, 10));
        Assert.False(batcher.Take(batch, 10));
        await Assert.ThrowsAsync<InvalidOperationException>(() => batcher.PostAsync(Request("v", 1), Now).AsTask());
    }

    [Fact]
    public async Task Under_load_every_request_is_answered_or_superseded_and_no_user_goes_backwards()
    {
        using var batcher = new Batcher(64);
        var answered = new ConcurrentDictionary<string, long>();
        var open = 0;
        var workers = Enumerable.Range(0, 3).Select(_ => Task.Run(() =>
        {
            var batch = new List<ListRequest>();
            while (batcher.Take(batch, 7))
            {
                foreach (var request in batch)
                {
                    // A smaller sequence after a larger one would mean that two batches of one user overlapped.
                    answered.AddOrUpdate(request.UserId, request.Sequence, (_, last) =>
                        last < request.Sequence ? request.Sequence : throw new InvalidOperationException($"{request.UserId} went back to {request.Sequence}"));
                    request.Completed(null);
                }

                batcher.Done(batch);
            }
        }, Now)).ToArray();

        var posters = Enumerable.Range(0, 4).Select(p => Task.Run(async () =>
        {
            var random = new Random(p);
            var sequence = new long[40];
            for (var i = 0; i < 5_000; i++)
            {
                var user = random.Next(40);
                Interlocked.Increment(ref open);
                await batcher.PostAsync(Request($"{p}-{user}", ++sequence[user], _ => Interlocked.Decrement(ref open)), Now);
            }
        }, Now)).ToArray();
        await Task.WhenAll(posters);
        batcher.Complete();
        await Task.WhenAll(workers);

        Assert.Equal(0, open);
    }

    private static ListRequest Request(string user, long sequence, Action<Recommendation?>? completed = null) =>
        new(user, sequence, Array.Empty<SequenceEntry>(), 10, [], default) { Completed = completed ?? (_ => { }) };
}
