using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using StreamRec.Cli.Bench;
using StreamRec.Domain;
using StreamRec.Harness;
using StreamRec.Journal;
using StreamRec.Kafka.Publish;
using StreamRec.Server;

namespace StreamRec.Benchmarks;

/// <summary>
/// Ten times of what the path sustains, for a minute: <c>./build.sh bench overload [--seconds n]</c>. Nothing may be lost, memory stays within what the
/// bounds of the queues allow, no partition changes hands, and afterwards everything drains while half of the capacity goes on arriving.
/// </summary>
/// <remarks>
/// Server in a process of its own, with RecGPT as in the path benchmark; broker and sender here. The embedded broker keeps 5 MiB a partition and drops
/// the oldest beyond that: there are as many partitions as hold the whole minute, so that the backlog is the reader's as with any Kafka, and our own
/// producer, which would rather wait than have something dropped, does not have to. There are more users than places in the inference queue; were
/// there fewer, every new interaction would supersede a waiting list and nothing would ever be full.
/// </remarks>
internal static class OverloadBenchmark
{
    private const int Users = 26_000;
    private const int History = 50;
    private const int Partitions = 48;
    private const int Times = 10;

    // Few, so that what is learnt of transitions does not grow by hundreds of MiB meanwhile, which no queue holds.
    private const int Items = 500;

    /// <returns>0 when everything held.</returns>
    public static async Task<int> RunAsync(Arguments arguments)
    {
        var seconds = arguments.Number("--seconds", 60);
        Console.WriteLine(Machine.Now());
        await using var scratch = await ServedScratch.StartAsync(Partitions, Users);

        await using var server = await ServerProcess.StartAsync(
            scratch.DataDirectory, scratch.Cluster.BootstrapServers, "Training:Mode=Off", $"Kafka:Partitions={Partitions}");
        using var sender = new Sender(scratch);
        using var memory = new Memory(server.Process.Id);
        var faults = new List<string>();

        await sender.SendAsync(2000, double.PositiveInfinity);
        await ListsAsync(server, 2000);
        var started = Stopwatch.GetTimestamp();
        await sender.SendAsync(8000, double.PositiveInfinity);
        await ListsAsync(server, 10_000);
        var capacity = 8000 / Stopwatch.GetElapsedTime(started).TotalSeconds;
        var normal = capacity / 2;
        await sender.SendAsync((int)(normal * 10), normal);
        var before = await server.FiguresAsync();
        var quiet = memory.Now;
        var budget = quiet + AllowedGrowth(scratch.Options);
        Say($"capacity {capacity:N0} lists/s; at half of it p50 {before.P50Ms:F1} ms, p99 {before.P99Ms:F1} ms, RSS {quiet >> 20} MiB, budget {budget >> 20} MiB");

        memory.Forget();
        started = Stopwatch.GetTimestamp();
        var wanted = (int)(capacity * Times * seconds);
        await Watched(server, started, sender.SendAsync(wanted, capacity * Times));
        var took = Stopwatch.GetElapsedTime(started);
        var after = await server.FiguresAsync();
        Say($"overload: {wanted:N0} sent in {took.TotalSeconds:F1} s ({wanted / took.TotalSeconds:N0}/s, {wanted / took.TotalSeconds / capacity:F1} times), highest RSS {memory.Highest >> 20} MiB");
        Say($"  applied {after.Interactions - before.Interactions:N0}, lists {after.Lists - before.Lists:N0}, lag {after.Lag:N0}");

        started = Stopwatch.GetTimestamp();
        using (var stop = new CancellationTokenSource())
        {
            var trickle = sender.SendAsync(int.MaxValue, normal, stop.Token);
            await Watched(server, started, DrainedAsync(server, normal));
            var drained = Stopwatch.GetElapsedTime(started);

            // As many lists as the figures look back on.
            var lists = (await server.FiguresAsync()).Lists;
            await ListsAsync(server, lists + 8192 + 1000);
            var again = await server.FiguresAsync();
            await stop.CancelAsync();
            await trickle;
            Say($"drained after {drained.TotalSeconds:F0} s with {normal:N0}/s arriving; then p50 {again.P50Ms:F1} ms, p99 {again.P99Ms:F1} ms; highest RSS {memory.Highest >> 20} MiB");
        }

        Check(memory.Highest <= budget, $"RSS was {memory.Highest >> 20} MiB, the budget is {budget >> 20} MiB");
        var opened = Lines(server, " opened at offset ");
        Check(opened == Partitions && Lines(server, " closed at offset ") == 0, $"{Partitions} partitions were opened {opened} times: the group was left");
        server.Process.Terminate();
        Check(await server.Process.ExitAsync() == 0, $"the server ended with an error: {server.Process.Describe()}");
        var committed = RawKafka.Committed(scratch.Cluster.BootstrapServers, scratch.Kafka.GroupId, scratch.Kafka.Topics.Interactions, Partitions).Sum();
        Check(committed == sender.Sent, $"{sender.Sent} were sent, of {committed} every list is out or superseded");
        await using (var journal = await SegmentJournal.OpenAsync(
            scratch.Options.Journal, JournalAccess.Exclusive, TimeProvider.System, NullLogger.Instance, CancellationToken.None))
        {
            var stored = (await journal.StatisticsAsync(CancellationToken.None)).Interactions - ((long)Users * History);
            Check(stored == sender.Sent, $"{sender.Sent} were sent, the journal holds {stored}");
            Say($"{sender.Sent:N0} sent, {stored:N0} in the journal, {committed:N0} completed");
        }

        faults.ForEach(fault => Say($"VIOLATION {fault}"));
        return faults.Count == 0 ? 0 : 1;

        void Check(bool holds, string fault)
        {
            if (!holds)
            {
                faults.Add(fault);
            }
        }
    }

    /// <summary>What full queues may hold beyond what the server needs anyway, in bytes: docs/queues.md has the sum.</summary>
    private static long AllowedGrowth(StreamRecOptions options)
    {
        const long record = 128, decided = 160, list = 1024;
        const long fetched = (32 + 50) << 20, publishing = 64 << 20;
        var shard = ((options.Users.MailboxBatches + 2L) * options.Kafka.BatchSize * record)
            + ((options.Users.CommitsInFlight + 1L) * options.Users.TurnInteractions * decided);
        return (Partitions * shard) + (options.Inference.QueueCapacity * list) + fetched + publishing;
    }

    private static async Task DrainedAsync(ServerProcess server, double arriving) => await UntilAsync(
        // Something is always under way: what arrives in a tenth of a second is not a backlog.
        server, figures => figures.Lag <= arriving / 10 && figures.Waiting <= arriving / 10);

    private static Task ListsAsync(ServerProcess server, long count) => UntilAsync(server, figures => figures.Lists >= count);

    private static async Task UntilAsync(ServerProcess server, Func<Server.Http.FiguresView, bool> holds)
    {
        while (!holds(await server.FiguresAsync()))
        {
            if (server.Process.HasExited)
            {
                throw new ServerEndedException(server.Process.Describe());
            }

            await Task.Delay(100);
        }
    }

    private static async Task Watched(ServerProcess server, long started, Task work)
    {
        while (await Task.WhenAny(work, Task.Delay(TimeSpan.FromSeconds(10))) != work)
        {
            var figures = await server.FiguresAsync();
            Say($"  {Stopwatch.GetElapsedTime(started).TotalSeconds,4:F0} s: lag {figures.Lag:N0}, waiting {figures.Waiting:N0}, lists {figures.Lists:N0}, p99 {figures.P99Ms:F0} ms");
        }

        await work;
    }

    private static int Lines(ServerProcess server, string with) =>
        server.Process.Errors.Split('\n').Count(line => line.Contains(with, StringComparison.Ordinal));

    private static void Say(FormattableString text) => Console.WriteLine(text.ToString(CultureInfo.InvariantCulture));

    /// <summary>Interactions of users at random, by the clock.</summary>
    private sealed class Sender(ServedScratch scratch) : IDisposable
    {
        private readonly InteractionProducer _producer = new(scratch.Cluster, scratch.Kafka, NullLogger<InteractionProducer>.Instance);
        private readonly Random _random = new(5);

        public long Sent { get; private set; }

        /// <summary>Sends so many at a rate, or until it is cancelled, and waits until the broker has them. The first 10,000 are of different users.</summary>
        public async Task SendAsync(int count, double rate, CancellationToken stopping = default)
        {
            var started = Stopwatch.GetTimestamp();
            for (var sent = 0; sent < count && !stopping.IsCancellationRequested;)
            {
                for (var due = Math.Min(count, (Stopwatch.GetElapsedTime(started).TotalSeconds * rate) + 1); sent < due && !stopping.IsCancellationRequested; sent++)
                {
                    var user = Sent < 10_000 ? (int)Sent : _random.Next(Users);
                    await _producer.SendAsync(
                        new Interaction(Population.UserId(user), $"item-{_random.Next(Items):d5}", InteractionType.Click, 0), CancellationToken.None);
                    Sent++;
                }

                await Task.Delay(1, CancellationToken.None);
            }

            await _producer.FlushAsync(CancellationToken.None);
        }

        public void Dispose() => _producer.Dispose();
    }

    /// <summary>Resident memory of a process, looked at five times a second. Linux.</summary>
    private sealed class Memory : IDisposable
    {
        private readonly string _file;
        private readonly Timer _timer;
        private long _highest;

        public Memory(int process)
        {
            _file = $"/proc/{process}/statm";
            _timer = new Timer(_ => Look(), null, TimeSpan.Zero, TimeSpan.FromMilliseconds(200));
        }

        public long Now => long.Parse(File.ReadAllText(_file).Split(' ')[1], CultureInfo.InvariantCulture) * Environment.SystemPageSize;

        public long Highest => Interlocked.Read(ref _highest);

        public void Forget() => Interlocked.Exchange(ref _highest, 0);

        public void Dispose() => _timer.Dispose();

        private void Look()
        {
            try
            {
                var now = Now;
                if (now > Highest)
                {
                    Interlocked.Exchange(ref _highest, now);
                }
            }
            catch (IOException)
            {
                // The process has ended.
            }
        }
    }
}
