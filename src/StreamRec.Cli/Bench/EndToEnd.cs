using System.Buffers.Text;
using System.Diagnostics;
using Confluent.Kafka;
using StreamRec.Kafka;

namespace StreamRec.Cli.Bench;

/// <summary>
/// Sends interactions and watches for the answers, each recognised by the number of its event: time counts from the moment at which a record is given to
/// the client to the moment at which the answer is read. Nothing is held back because an answer is late.
/// </summary>
internal sealed class EndToEnd : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Traffic _traffic;
    private readonly IConsumer<byte[], byte[]> _consumer;
    private readonly byte[]? _mustHave;
    private readonly long[] _sentAt;
    private readonly long[] _answeredAt;
    private readonly Random _random = new(1);

    // An event that a server has seen before is no new interaction, and it remembers those of former rounds.
    private readonly long _firstEvent = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() * 1_000_000;

    private readonly Thread _observer;
    private readonly int _users;
    private int _sent;
    private int _answered;
    private volatile bool _stopping;
    private volatile Exception? _failure;

    /// <param name="bootstrapServers">The broker.</param>
    /// <param name="partitions">Of the topic with the answers.</param>
    /// <param name="users">Who sends, one after the other.</param>
    /// <param name="capacity">Most records in all.</param>
    /// <param name="mustHave">Bytes without which an answer is not what is to be measured, or null.</param>
    public EndToEnd(string bootstrapServers, int partitions, int users, int capacity, byte[]? mustHave)
    {
        _traffic = new Traffic(bootstrapServers, TimeSpan.Zero);
        (_users, _mustHave, _sentAt, _answeredAt) = (users, mustHave, new long[capacity], new long[capacity]);
        _consumer = new ConsumerBuilder<byte[], byte[]>(new ConsumerConfig
        {
            BootstrapServers = bootstrapServers,
            GroupId = "bench-observer",
            EnableAutoCommit = false,
            AutoOffsetReset = AutoOffsetReset.Error,
            FetchWaitMaxMs = 2,
        }).Build();
        var topic = new TopicNames().Recommendations;
        _consumer.Assign(Enumerable.Range(0, partitions).Select(partition => new TopicPartitionOffset(topic, partition, 0)));
        _observer = new Thread(Observe) { Name = "bench-observer", IsBackground = true };
        _observer.Start();
    }

    /// <summary>Sends as fast as it goes and waits for all answers; the time from the first record to the last answer.</summary>
    public async Task<TimeSpan> FloodAsync(int count, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        await Task.Run(() => Send(count), cancellationToken);
        await AnsweredAsync(cancellationToken);
        return Stopwatch.GetElapsedTime(started);
    }

    /// <summary>Sends at a rate, at random moments (Poisson); median and 99th percentile until the answer, in ms.</summary>
    public async Task<(double P50, double P99)> PacedAsync(double perSecond, int count, CancellationToken cancellationToken)
    {
        var first = _sent;
        var started = Stopwatch.GetTimestamp();
        var due = 0.0;
        for (var sent = 0; sent < count;)
        {
            var now = Stopwatch.GetElapsedTime(started).TotalSeconds;
            for (; sent < count && due <= now; sent++)
            {
                Send(1);
                due -= Math.Log(1 - _random.NextDouble()) / perSecond;
            }

            await Task.Delay(1, cancellationToken);
        }

        await AnsweredAsync(cancellationToken);
        var latencies = Enumerable.Range(first, count).Select(i => Stopwatch.GetElapsedTime(_sentAt[i], _answeredAt[i]).TotalMilliseconds).Order().ToArray();
        return (latencies[count / 2], latencies[((count * 99) + 99) / 100 - 1]);
    }

    public void Dispose()
    {
        _stopping = true;
        _observer.Join();
        _consumer.Dispose();
        _traffic.Dispose();
    }

    private void Send(int count)
    {
        for (var i = 0; i < count; i++)
        {
            var number = _sent++;
            Volatile.Write(ref _sentAt[number], Stopwatch.GetTimestamp());
            _traffic.Send(number % _users, _random.Next(Population.Items), _firstEvent + number);
        }
    }

    private async Task AnsweredAsync(CancellationToken cancellationToken)
    {
        var waiting = Stopwatch.GetTimestamp();
        while (Volatile.Read(ref _answered) < _sent)
        {
            if (_failure is { } failure)
            {
                throw failure;
            }

            if (Stopwatch.GetElapsedTime(waiting) > Patience)
            {
                throw new BenchFailedException($"{_answered:N0} answers of {_sent:N0} have come within {Patience.TotalSeconds:F0} s of the last record.");
            }

            await Task.Delay(1, cancellationToken);
        }
    }

    private void Observe()
    {
        try
        {
            while (!_stopping)
            {
                if (_consumer.Consume(TimeSpan.FromMilliseconds(50)) is { } answer)
                {
                    Take(answer.Message.Value);
                }
            }
        }
        catch (Exception e)
        {
            _failure = e;
        }
    }

    private void Take(ReadOnlySpan<byte> value)
    {
        var now = Stopwatch.GetTimestamp();
        var mark = "\"event_id\":\""u8;
        if (value.IndexOf(mark) is not (>= 0 and var at) || !Utf8Parser.TryParse(value[(at + mark.Length)..], out long eventId, out _)
            || (_mustHave is not null && value.IndexOf(_mustHave) < 0))
        {
            throw new BenchFailedException($"An answer is not what is to be measured: {System.Text.Encoding.UTF8.GetString(value)}");
        }

        // An answer may come twice.
        var number = eventId - _firstEvent;
        if (_answeredAt[number] == 0)
        {
            _answeredAt[number] = now;
            Interlocked.Increment(ref _answered);
        }
    }
}
