using System.Buffers;
using System.Globalization;
using System.Text;
using Confluent.Kafka;
using Microsoft.Extensions.Logging;
using StreamRec.Domain;

namespace StreamRec.Kafka.Publish;

/// <summary>Publishes finished lists: key = user id, value = JSON, headers = CloudEvents binary mode.</summary>
/// <remarks>
/// At-least-once and in order per user: one idempotent producer, retried until the broker answers. A list that cannot be
/// published stops the host, and the restart makes it again, because its interaction's offset was never completed.
/// Threading: any thread. Dispose after the last list: it waits up to 10 s for acknowledgements.
/// </remarks>
public sealed class RecommendationPublisher : IRecommendationSink, IDisposable
{
    private static readonly byte[] SpecVersion = "1.0"u8.ToArray();
    private static readonly byte[] EventType = "io.streamrec.recommendation.v1"u8.ToArray();
    private static readonly byte[] EventSource = "/streamrec"u8.ToArray();
    private static readonly byte[] ContentType = "application/json"u8.ToArray();

    private readonly RecordProducer _producer;
    private readonly Catalogue _catalogue;
    private readonly ThreadLocal<ArrayBufferWriter<byte>> _buffers = new(() => new ArrayBufferWriter<byte>(4096));

    public RecommendationPublisher(
        KafkaCluster cluster, KafkaOptions options, Catalogue catalogue, ILogger<RecommendationPublisher> logger, Action<Exception> failed)
    {
        _catalogue = catalogue;
        _producer = new RecordProducer(ClientConfig.Producer(cluster, options), options.Topics.Recommendations, logger, failed);
    }

    public void Publish(Recommendation recommendation, Action published)
    {
        var user = Encoding.UTF8.GetBytes(recommendation.UserId);
        var message = new Message<byte[], byte[]>
        {
            Key = user,
            Value = RecommendationJson.Write(_buffers.Value!, recommendation, _catalogue),
            Headers = HeadersOf(recommendation, user),
            Timestamp = new Timestamp(recommendation.GeneratedAt),
        };
        _producer.Produce(message, report =>
        {
            if (report.Error.IsError)
            {
                _producer.Fail(report.Error);
            }
            else
            {
                Failpoints.Hit(Failpoint.ListPublished);
                published();
            }
        });
    }

    public void Dispose()
    {
        _producer.Dispose();
        _buffers.Dispose();
    }

    private static Headers HeadersOf(Recommendation recommendation, byte[] user)
    {
        var headers = new Headers
        {
            { "ce_specversion", SpecVersion },
            { "ce_id", Encoding.ASCII.GetBytes(RecommendationId.Of(recommendation).ToString()) },
            { "ce_type", EventType },
            { "ce_source", EventSource },
            { "ce_subject", user },
            { "ce_time", Encoding.ASCII.GetBytes(recommendation.GeneratedAt.UtcDateTime.ToString("O", CultureInfo.InvariantCulture)) },
            { "content-type", ContentType },
        };
        if (recommendation.Cause.TraceParent is { } trace)
        {
            headers.Add("traceparent", Encoding.ASCII.GetBytes(trace));
        }

        return headers;
    }
}
