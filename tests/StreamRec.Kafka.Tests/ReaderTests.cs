using System.Collections.Concurrent;
using System.Text;
using Confluent.Kafka;
using Microsoft.Extensions.Logging.Abstractions;
using StreamRec.Kafka.Ingest;

namespace StreamRec.Kafka.Tests;

public sealed class ReaderTests
{
    private readonly FakeDeadLetters _deadLetters = new();

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_catalogue_is_read_from_its_beginning_and_followed()
    {
        await using var kafka = await TestKafka.StartAsync();
        using var producer = Raw.Producer(kafka.Servers);
        Send("i1", """{"item_id":"i1","title":"One\u0007","categories":["A","B"],"available":true}""");
        Send("i2", """{"item_id":"i2"}""");
        Send("i2", null);
        Send("bad", "{");
        producer.Flush(TimeSpan.FromSeconds(10));

        var changes = new ConcurrentQueue<CatalogueChange>();
        using var reader = new CatalogueReader(
            kafka.Cluster, kafka.Options, Apply, _deadLetters, NullLogger<CatalogueReader>.Instance, kafka.Failures.Enqueue);
        await reader.StartAsync(Cancelled);
        await reader.CaughtUp.WaitAsync(TimeSpan.FromSeconds(20), Cancelled);
        Assert.Contains(new CatalogueChange("i1", "One ", "A, B", true), changes);
        Assert.Equal([true, false], changes.Where(c => c.ItemId == "i2").Select(c => c.Available));
        Assert.Equal("invalid_json", Assert.Single(_deadLetters.Letters).Code);

        Send("i3", """{"item_id":"i3","title":"Three","available":false}""");
        await Eventually.True(() => changes.Any(c => c is { ItemId: "i3", Available: false }), "a later change arrives");
        await reader.StopAsync(Cancelled);
        Assert.Empty(kafka.Failures);

        ValueTask Apply(IReadOnlyList<CatalogueChange> batch, CancellationToken cancellationToken)
        {
            foreach (var change in batch)
            {
                changes.Enqueue(change);
            }

            return ValueTask.CompletedTask;
        }

        void Send(string key, string? value) => producer.Produce(
            kafka.Options.Topics.Items,
            new Message<byte[], byte[]> { Key = Encoding.UTF8.GetBytes(key), Value = value is null ? null! : Encoding.UTF8.GetBytes(value) });
    }

    [Fact]
    public async Task An_empty_catalogue_is_caught_up_at_once()
    {
        await using var kafka = await TestKafka.StartAsync();
        using var reader = new CatalogueReader(
            kafka.Cluster, kafka.Options, (_, _) => ValueTask.CompletedTask, _deadLetters, NullLogger<CatalogueReader>.Instance, kafka.Failures.Enqueue);
        await reader.StartAsync(Cancelled);
        await reader.CaughtUp.WaitAsync(TimeSpan.FromSeconds(20), Cancelled);
        await reader.StopAsync(Cancelled);
    }

    [Fact]
    public async Task Requests_are_handed_over_once_across_a_restart()
    {
        await using var kafka = await TestKafka.StartAsync();
        var requests = new ConcurrentQueue<RecommendationRequest>();
        Raw.Produce(kafka.Servers, kafka.Options.Topics.Requests, 0, """{"request_id":"r1","user_id":"u"}"""u8.ToArray(), "?"u8.ToArray());
        await ReadUntil(1);
        Raw.Produce(kafka.Servers, kafka.Options.Topics.Requests, 0, """{"request_id":2,"user_id":"u","k":3,"exclude":["a",7]}"""u8.ToArray());
        await ReadUntil(2);
        Assert.Equal(["r1", "2"], requests.Select(r => r.RequestId));
        Assert.Equal((10, 3), (requests.First().K, requests.Last().K));
        Assert.Equal(["a", "7"], requests.Last().Exclude);
        Assert.Equal("invalid_json", Assert.Single(_deadLetters.Letters).Code);
        Assert.Empty(kafka.Failures);

        async Task ReadUntil(int count)
        {
            using var reader = new RequestReader(
                kafka.Cluster, kafka.Options, Handle, _deadLetters, TimeProvider.System, NullLogger<RequestReader>.Instance, kafka.Failures.Enqueue);
            await reader.StartAsync(Cancelled);
            await Eventually.True(() => requests.Count >= count && !_deadLetters.Letters.IsEmpty, "the requests arrive");
            await reader.StopAsync(Cancelled);
        }

        ValueTask Handle(RecommendationRequest request, CancellationToken cancellationToken)
        {
            requests.Enqueue(request);
            return ValueTask.CompletedTask;
        }
    }

    [Fact]
    public async Task Requests_that_cannot_be_used_are_read_no_faster_than_they_are_written()
    {
        await using var kafka = await TestKafka.StartAsync(new KafkaOptions { BatchSize = 10 });
        Raw.Produce(kafka.Servers, kafka.Options.Topics.Requests, 0, [.. Enumerable.Repeat("?"u8.ToArray(), 100), """{"request_id":"r","user_id":"u"}"""u8.ToArray()]);
        var written = new TaskCompletionSource();
        _deadLetters.Completion = written.Task;
        var handled = 0;
        using var reader = new RequestReader(
            kafka.Cluster, kafka.Options, Handle, _deadLetters, TimeProvider.System, NullLogger<RequestReader>.Instance, kafka.Failures.Enqueue);
        await reader.StartAsync(Cancelled);
        await Eventually.True(() => _deadLetters.Letters.Count == 10, "as many as may wait");

        _deadLetters.Completion = Task.CompletedTask;
        Assert.Equal((10, 0), (_deadLetters.Letters.Count, Volatile.Read(ref handled)));
        written.SetResult();
        await Eventually.True(() => Volatile.Read(ref handled) == 1, "what comes after them");
        Assert.Equal(100, _deadLetters.Letters.Count);
        await reader.StopAsync(Cancelled);
        Assert.Empty(kafka.Failures);

        ValueTask Handle(RecommendationRequest request, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref handled);
            return ValueTask.CompletedTask;
        }
    }

    [Theory]
    [InlineData("""{"user_id":"u"}""", "missing_request_id")]
    [InlineData("""{"request_id":"r"}""", "missing_user_id")]
    [InlineData("""{"request_id":"r","user_id":"u","k":0}""", "invalid_k")]
    [InlineData("""{"request_id":"r","user_id":"u","k":1001}""", "invalid_k")]
    [InlineData("""{"request_id":"r","user_id":"u","k":"5"}""", "invalid_k")]
    [InlineData("""{"request_id":"r","user_id":"u","exclude":"a"}""", "invalid_exclude")]
    [InlineData("""{"request_id":"r","user_id":"u","exclude":[null]}""", "invalid_exclude")]
    [InlineData("""{"request_id":"r","user_id":"u","exclude":[{"a":1}]}""", "invalid_exclude")]
    [InlineData("""{"request_id":"r","user_id":"u","user_id":"v"}""", "duplicate_field")]
    [InlineData("[]", "invalid_json")]
    public void A_request_that_cannot_be_used_has_a_code(string json, string code) =>
        Assert.Equal(code, RequestDecoder.Decode(Encoding.UTF8.GetBytes(json), null, 65536, out _)?.Code);

    [Fact]
    public void A_request_excludes_at_most_1000_items()
    {
        static string Request(int count) =>
            $$"""{"request_id":"r","user_id":"u","exclude":[{{string.Join(',', Enumerable.Range(0, count))}}]}""";
        Assert.Null(RequestDecoder.Decode(Encoding.UTF8.GetBytes(Request(1000)), null, 65536, out var request));
        Assert.Equal(1000, request!.Exclude.Count);
        Assert.Equal("invalid_exclude", RequestDecoder.Decode(Encoding.UTF8.GetBytes(Request(1001)), null, 65536, out _)?.Code);
    }

    [Theory]
    [InlineData("""{"title":"x"}""", "missing_item_id")]
    [InlineData("""{"item_id":"i","title":5}""", "invalid_title")]
    [InlineData("""{"item_id":"i","categories":[1]}""", "invalid_categories")]
    [InlineData("""{"item_id":"i","available":"no"}""", "invalid_available")]
    [InlineData("""{"item_id":"i","title":"\ud83d"}""", "invalid_utf8")]
    [InlineData("""{"item_id":"i"}}""", "invalid_json")]
    public void A_catalogue_record_that_cannot_be_used_has_a_code(string json, string code) =>
        Assert.Equal(code, CatalogueDecoder.Decode("i"u8.ToArray(), Encoding.UTF8.GetBytes(json), 65536, out _)?.Code);

    [Fact]
    public void A_tombstone_needs_a_key() => Assert.Equal("invalid_item_id", CatalogueDecoder.Decode(null, null, 65536, out _)?.Code);

    [Fact]
    public void Random_bytes_never_throw()
    {
        var random = new Random(5);
        var valid = """{"request_id":"r","user_id":"u","item_id":"i","title":"t","categories":["a"],"available":true,"k":3,"exclude":["\u00e9"]}"""u8;
        for (var i = 0; i < 50_000; i++)
        {
            var bytes = valid.ToArray();
            for (var edits = random.Next(1, 5); edits > 0; edits--)
            {
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            }

            bytes = bytes[..random.Next(bytes.Length + 1)];
            Assert.True(RequestDecoder.Decode(bytes, null, 65536, out var request) is not null || request is not null);
            Assert.True(CatalogueDecoder.Decode(bytes, bytes, 65536, out var change) is not null || change is not null);
        }
    }
}
