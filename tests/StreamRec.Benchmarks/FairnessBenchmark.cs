using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Confluent.Kafka;
using StreamRec.Cli.Bench;
using StreamRec.Harness;
using StreamRec.Kafka;

namespace StreamRec.Benchmarks;

/// <summary>
/// What one user with far more traffic than all others together costs the others: <c>./build.sh bench fairness [--rounds n] [--seconds n] [--hot rate]</c>.
/// </summary>
/// <remarks>
/// A server of its own process with RecGPT as in the path benchmark, 4 partitions; broker, senders and reader here. The others arrive as an open-loop
/// Poisson process, each user at most once in a block, so that nothing of theirs is superseded. A block is without the hot user (A) or with it (B), in
/// the order A B B A; a latency is from sending an interaction to reading its user's list.
/// </remarks>
internal static class FairnessBenchmark
{
    private const int Users = 20_000;
    private const int Partitions = 4;
    private const string Hot = "crawler";

    private static readonly string Topic = new TopicNames().Interactions;

    public static async Task<int> RunAsync(Arguments arguments)
    {
        var (rounds, seconds, hotRate) = (arguments.Number("--rounds", 2), arguments.Number("--seconds", 10), arguments.Number("--hot", 10_000));
        Console.WriteLine(Machine.Now());
        await using var scratch = await ServedScratch.StartAsync(Partitions, Users);

        await using var server = await ServerProcess.StartAsync(
            scratch.DataDirectory, scratch.Cluster.BootstrapServers, "Training:Mode=Off", $"Kafka:Partitions={Partitions}");
        using var traffic = new Traffic(scratch.Cluster.BootstrapServers);
        await traffic.FloodAsync(6000);
        // The capacity of a machine that others use, too, is not the same for long.
        await CompareAsync("others at half of the capacity", async () => await traffic.FloodAsync(3000) / 2);
        await CompareAsync("others at a hundredth of the hot user's rate", () => Task.FromResult(hotRate / 100.0));
        if (await server.NotReadyAsync() is { } problem)
        {
            throw new InvalidOperationException(problem);
        }

        return 0;

        async Task CompareAsync(string name, Func<Task<double>> others)
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name}, hot user {hotRate:N0}/s"));
            var (without, with) = (new List<Block>(), new List<Block>());
            for (var round = 0; round < rounds; round++)
            {
                var rate = await others();
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  others {rate:N0}/s"));
                foreach (var isHot in (bool[])[false, true, true, false])
                {
                    var block = await traffic.BlockAsync(rate, isHot ? hotRate : 0, seconds);
                    (isHot ? with : without).Add(block);
                    Console.WriteLine(string.Create(
                        CultureInfo.InvariantCulture, $"  {(isHot ? "B" : "A")}  {block.All}   same partition {block.Same}   hot sent {block.HotPerSecond:N0}/s, its lists {block.HotLists / (double)seconds:N0}/s"));
                    await Eventually.TrueAsync(async () => (await server.FiguresAsync()) is { Lag: 0, Waiting: 0 }, "the end of what waits", server.Process.Describe);
                }
            }

            Report("all others", without.ConvertAll(b => b.All), with.ConvertAll(b => b.All));
            Report("in the hot user's partition", without.ConvertAll(b => b.Same), with.ConvertAll(b => b.Same));
            Report("in other partitions", without.ConvertAll(b => b.Other), with.ConvertAll(b => b.Other));
        }
    }

    private static void Report(string name, List<Latencies> without, List<Latencies> with)
    {
        var (a50, b50, a99, b99) = (Median(without, l => l.P50), Median(with, l => l.P50), Median(without, l => l.P99), Median(with, l => l.P99));
        // Two blocks of each kind a round, next to each other in time.
        var ratios = without.Chunk(2).Zip(with.Chunk(2), (a, b) => b.Average(l => l.P99) / a.Average(l => l.P99)).Order().ToArray();
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{name,-30} p50 {a50:F1} -> {b50:F1} ms ({b50 / a50:F2}), p99 {a99:F1} ({without.Min(l => l.P99):F1} to {without.Max(l => l.P99):F1}) -> {b99:F1} ({with.Min(l => l.P99):F1} to {with.Max(l => l.P99):F1}) ms ({b99 / a99:F2}); p99 ratio of a round {ratios[ratios.Length / 2]:F2} ({ratios[0]:F2} to {ratios[^1]:F2})"));
    }

    private static double Median(List<Latencies> blocks, Func<Latencies, double> of)
    {
        var values = blocks.Select(of).Order().ToArray();
        return (values[(values.Length - 1) / 2] + values[values.Length / 2]) / 2;
    }

    private sealed record Block(Latencies All, Latencies Same, Latencies Other, double HotPerSecond, long HotLists);

    /// <summary>Percentiles of a block, in milliseconds.</summary>
    private sealed record Latencies(int Count, double P50, double P99)
    {
        public static Latencies Of(IEnumerable<double> milliseconds)
        {
            var sorted = milliseconds.Order().ToArray();
            return sorted.Length == 0
                ? new Latencies(0, double.NaN, double.NaN)
                : new Latencies(sorted.Length, sorted[sorted.Length / 2], sorted[(sorted.Length * 99 + 99) / 100 - 1]);
        }

        public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Count,6} lists p50 {P50,7:F1} p99 {P99,8:F1} ms");
    }

    /// <summary>Sends clicks and reads lists.</summary>
    private sealed class Traffic : IDisposable
    {
        private readonly ConcurrentDictionary<string, long> _sentAt = new(StringComparer.Ordinal);
        private readonly ConcurrentDictionary<string, int> _partitions = new(StringComparer.Ordinal);
        private readonly ConcurrentQueue<(string User, double Milliseconds)> _latencies = new();
        private readonly IProducer<byte[], byte[]> _others;
        private readonly IProducer<byte[], byte[]> _hot;
        private readonly IConsumer<byte[], byte[]> _lists;
        private readonly Thread _reader;
        private readonly Random _random = new(11);
        private volatile bool _stopping;
        private long _hotLists;
        private int _nextUser;

        public Traffic(string bootstrapServers)
        {
            (_others, _hot) = (RawKafka.Producer(bootstrapServers), RawKafka.Producer(bootstrapServers));
            _lists = RawKafka.Consumer(bootstrapServers, new TopicNames().Recommendations);
            _reader = new Thread(Read) { IsBackground = true, Name = "lists" };
            _reader.Start();
        }

        /// <summary>Lists a second when so many users have one interaction each at once.</summary>
        public async Task<double> FloodAsync(int users)
        {
            await SendOneAsync();
            var started = Stopwatch.GetTimestamp();
            for (var i = 0; i < users; i++)
            {
                Send(_others, NextUser());
            }

            await AnsweredAsync();
            return users / Stopwatch.GetElapsedTime(started).TotalSeconds;
        }

        public async Task<Block> BlockAsync(double rate, double hotRate, int seconds)
        {
            _latencies.Clear();
            Send(_hot, Hot);
            _hot.Flush(TimeSpan.FromSeconds(30));
            var lists = Interlocked.Read(ref _hotLists);
            var hotSent = 0;
            using var stop = new CancellationTokenSource();
            var hot = hotRate > 0 ? Task.Factory.StartNew(() => hotSent = SendHot(hotRate, stop.Token), TaskCreationOptions.LongRunning) : Task.CompletedTask;
            await Task.Delay(TimeSpan.FromSeconds(1));
            await Task.Factory.StartNew(() => SendOthers(rate, TimeSpan.FromSeconds(seconds)), TaskCreationOptions.LongRunning);
            var hotLists = Interlocked.Read(ref _hotLists) - lists;
            // Now, not when everything is answered: the embedded broker would drop what a slow reader leaves too long.
            await stop.CancelAsync();
            await hot;
            await AnsweredAsync();
            // A list may be here before the broker's word where its interaction went.
            _others.Flush(TimeSpan.FromSeconds(30));
            var same = _latencies.ToLookup(l => _partitions[l.User] == _partitions[Hot], l => l.Milliseconds);
            return new Block(
                Latencies.Of(_latencies.Select(l => l.Milliseconds)), Latencies.Of(same[true]), Latencies.Of(same[false]), hotSent / (seconds + 1.0), hotLists);
        }

        public void Dispose()
        {
            _stopping = true;
            _reader.Join();
            _lists.Dispose();
            _others.Dispose();
            _hot.Dispose();
        }

        // Joining the group takes seconds: not until there is a list does a block begin.
        private async Task SendOneAsync()
        {
            Send(_others, NextUser());
            await AnsweredAsync();
        }

        private void SendOthers(double rate, TimeSpan duration)
        {
            var started = Stopwatch.GetTimestamp();
            for (var due = Gap(); due < duration.TotalSeconds; due += Gap())
            {
                while (Stopwatch.GetElapsedTime(started).TotalSeconds < due)
                {
                    Thread.Sleep(1);
                }

                Send(_others, NextUser());
            }

            double Gap() => -Math.Log(1 - _random.NextDouble()) / rate;
        }

        private int SendHot(double rate, CancellationToken stopping)
        {
            var started = Stopwatch.GetTimestamp();
            var sent = 0;
            while (!stopping.IsCancellationRequested)
            {
                for (var due = (int)(Stopwatch.GetElapsedTime(started).TotalSeconds * rate); sent < due; sent++)
                {
                    Send(_hot, Hot);
                }

                Thread.Sleep(1);
            }

            return sent;
        }

        private string NextUser()
        {
            var user = Population.UserId(_nextUser);
            _nextUser = (_nextUser + 1) % Users;
            return user;
        }

        private void Send(IProducer<byte[], byte[]> producer, string user)
        {
            var item = Random.Shared.Next(Population.Items);
            if (user != Hot)
            {
                _sentAt[user] = Stopwatch.GetTimestamp();
            }

            producer.Produce(
                Topic,
                new Message<byte[], byte[]>
                {
                    Key = Encoding.UTF8.GetBytes(user),
                    Value = Encoding.UTF8.GetBytes($$"""{"user_id":"{{user}}","item_id":"item-{{item:d5}}","type":"click"}"""),
                },
                _partitions.ContainsKey(user) ? null : report => _partitions[user] = report.Partition.Value);
        }

        private Task AnsweredAsync() => Eventually.TrueAsync(() => _sentAt.IsEmpty, "all lists", () => $"{_sentAt.Count} are missing");

        private void Read()
        {
            while (!_stopping)
            {
                if (_lists.Consume(TimeSpan.FromMilliseconds(50)) is not { } record)
                {
                    continue;
                }

                var user = Encoding.UTF8.GetString(record.Message.Key);
                if (user == Hot)
                {
                    Interlocked.Increment(ref _hotLists);
                }
                else if (_sentAt.TryRemove(user, out var at))
                {
                    _latencies.Enqueue((user, Stopwatch.GetElapsedTime(at).TotalMilliseconds));
                }
            }
        }
    }
}
