using System.Text;
using System.Text.Json;
using Confluent.Kafka;
using StreamRec.Domain;
using StreamRec.Kafka.Publish;

namespace StreamRec.Kafka.Tests;

public sealed class RecommendationPublisherTests
{
    private const string Trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    private static readonly Cause Interaction = new(new SourcePartition("streamrec.interactions", "log", 2), 77, "e1", null, Trace, 0);
    private readonly Catalogue _catalogue = new();

    public RecommendationPublisherTests()
    {
        _catalogue.Add("B00-Ü\"1");
        _catalogue.Add("B002");
    }

    [Fact]
    public async Task A_list_arrives_in_the_published_shape()
    {
        await using var kafka = await TestKafka.StartAsync();
        var published = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using (var publisher = kafka.Publisher(_catalogue))
        {
            publisher.Publish(List("ünal", 12), published.SetResult);
            await published.Task.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
        }

        var record = Assert.Single(Raw.Read(kafka.Servers, kafka.Options.Topics.Recommendations, 1));
        Assert.Equal("ünal", Encoding.UTF8.GetString(record.Message.Key));
        AssertJson(
            """
            {"user_id":"ünal","sequence":12,
             "items":[{"item_id":"B002","rank":1,"score":0.75,"source":"recgpt"},{"item_id":"B00-Ü\"1","rank":2,"score":-1.5,"source":"popularity"}],
             "model":{"family":"recgpt","version":3,"variant":"champion"},
             "cause":{"topic":"streamrec.interactions","partition":2,"offset":77,"event_id":"e1"},
             "fallback":null,"generated_at":"2026-11-20T23:17:00.5Z"}
            """,
            record.Message.Value);
        Assert.Equal("1.0", Header(record, "ce_specversion"));
        Assert.Equal("io.streamrec.recommendation.v1", Header(record, "ce_type"));
        Assert.Equal("/streamrec", Header(record, "ce_source"));
        Assert.Equal("ünal", Header(record, "ce_subject"));
        Assert.Equal("2026-11-20T23:17:00.5000000Z", Header(record, "ce_time"));
        Assert.Equal("application/json", Header(record, "content-type"));
        Assert.Equal(Trace, Header(record, "traceparent"));
        Assert.Equal(RecommendationId.Of(List("ünal", 12)).ToString(), Header(record, "ce_id"));
    }

    [Theory]
    [InlineData(Fallback.ColdStart, "cold_start")]
    [InlineData(Fallback.NoModel, "no_model")]
    [InlineData(Fallback.Overload, "overload")]
    public void A_list_that_no_model_made_says_why(Fallback fallback, string name)
    {
        var request = List("u", 0) with { Model = null, Fallback = fallback, Items = [], Cause = new Cause(null, 0, null, "r-1", null, 0) };
        var json = RecommendationJson.Write(new(), request, _catalogue);
        AssertJson(
            $$"""
            {"user_id":"u","sequence":0,"items":[],"model":null,"cause":{"request_id":"r-1"},"fallback":"{{name}}","generated_at":"2026-11-20T23:17:00.5Z"}
            """,
            json);
    }

    [Fact]
    public void An_interaction_without_an_id_of_its_own_is_named_by_its_place()
    {
        var json = RecommendationJson.Write(new(), List("u", 1) with { Cause = Interaction with { EventId = null } }, _catalogue);
        using var document = JsonDocument.Parse(json);
        Assert.Equal("streamrec.interactions-2-77", document.RootElement.GetProperty("cause").GetProperty("event_id").GetString());
    }

    [Fact]
    public void The_id_of_a_list_depends_on_what_makes_it_another_list_and_on_nothing_else()
    {
        var list = List("u", 1);
        var id = RecommendationId.Of(list);
        Assert.Equal('8', id.ToString()[14]);
        Assert.Equal(id, RecommendationId.Of(list with { GeneratedAt = DateTimeOffset.UnixEpoch, Items = [], Cause = Interaction with { Offset = 9 } }));
        Recommendation[] others =
        [
            list with { UserId = "v" }, list with { UserId = "u1", Sequence = 0 }, list with { Sequence = 2 }, list with { K = 5 }, list with { Model = null },
            list with { Model = new ModelVersion("recgpt", 4) }, list with { Model = new ModelVersion("recgpt", 3, "challenger") },
            list with { Cause = new Cause(null, 0, null, "r-1", null, 0) }, list with { Cause = new Cause(null, 0, null, "r-2", null, 0) },
        ];
        Assert.Equal(others.Length + 1, others.Select(RecommendationId.Of).Append(id).Distinct().Count());
    }

    [Fact]
    public async Task Lists_of_a_user_stay_in_order_through_an_outage()
    {
        await using var kafka = await TestKafka.StartAsync();
        var acknowledged = 0;
        using (var publisher = kafka.Publisher(_catalogue))
        {
            for (var i = 0; i < 2000; i++)
            {
                if (i == 500)
                {
                    kafka.Broker.SetDown();
                }

                if (i == 1500)
                {
                    kafka.Broker.SetUp();
                }

                publisher.Publish(List($"u{i % 5}", i), () => Interlocked.Increment(ref acknowledged));
            }

            await Eventually.True(() => acknowledged == 2000, "all lists are acknowledged");
        }

        var records = Raw.Read(kafka.Servers, kafka.Options.Topics.Recommendations, 2000);
        foreach (var user in records.GroupBy(r => Encoding.UTF8.GetString(r.Message.Key)))
        {
            Assert.Single(user.Select(r => r.Partition.Value).Distinct());
            var sequences = user.OrderBy(r => r.Offset.Value).Select(SequenceOf).ToList();
            Assert.Equal(sequences.Order(), sequences);
            Assert.Equal(400, sequences.Distinct().Count());
        }

        Assert.Empty(kafka.Failures);
    }

    [Fact]
    public async Task A_list_that_cannot_be_published_tells_the_host_and_is_not_reported_as_published()
    {
        await using var kafka = await TestKafka.StartAsync();
        kafka.Broker.PushRequestErrors(0, ErrorCode.TopicAuthorizationFailed);
        using var publisher = kafka.Publisher(_catalogue);
        var published = false;
        publisher.Publish(List("u", 1), () => published = true);
        await Eventually.True(() => !kafka.Failures.IsEmpty, "the host is told");
        Assert.False(published);
    }

    private static Recommendation List(string user, long sequence) => new(
        user, sequence, [new RankedItem(1, 0.75f, "recgpt"), new RankedItem(0, -1.5f, "popularity")], new ModelVersion("recgpt", 3),
        Fallback.None, Interaction, 10, new DateTimeOffset(2026, 11, 21, 0, 17, 0, 500, TimeSpan.FromHours(1)));

    private static long SequenceOf(ConsumeResult<byte[], byte[]> record)
    {
        using var document = JsonDocument.Parse(record.Message.Value);
        return document.RootElement.GetProperty("sequence").GetInt64();
    }

    private static string Header(ConsumeResult<byte[], byte[]> record, string name) =>
        Encoding.UTF8.GetString(record.Message.Headers.GetLastBytes(name));

    // Whole text: a consumer may rely on the order of the fields as little as on spaces, but a change should be noticed.
    private static void AssertJson(string expected, byte[] actual) =>
        Assert.Equal(string.Concat(expected.Split('\n').Select(l => l.Trim())), Encoding.UTF8.GetString(actual));
}
