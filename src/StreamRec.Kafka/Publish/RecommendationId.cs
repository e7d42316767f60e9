using System.Security.Cryptography;
using System.Text;
using StreamRec.Domain;

namespace StreamRec.Kafka.Publish;

/// <summary>The deterministic id of a list: a repeated publication has the same one, so that a consumer can leave the copy out.</summary>
internal static class RecommendationId
{
    /// <summary>A UUID (RFC 9562, version 8) from user, sequence, model version and k, and from the request where one asked for the list.</summary>
    /// <remarks>The request is part of it because its answer, with exclusions of its own, is not a copy of the list that went before.</remarks>
    public static Guid Of(Recommendation recommendation)
    {
        // A length before each text part keeps ("a", "bc") apart from ("ab", "c").
        var user = recommendation.UserId;
        var model = recommendation.Model is { } m ? $"{m.Family}@{m.Version}/{m.Variant}" : "";
        var request = recommendation.Cause.RequestId ?? "";
        var name = string.Create(
            null, $"{user.Length}:{user}{recommendation.Sequence}:{model.Length}:{model}{recommendation.K}:{request.Length}:{request}");
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(name), hash);
        hash[6] = (byte)((hash[6] & 0x0F) | 0x80);
        hash[8] = (byte)((hash[8] & 0x3F) | 0x80);
        return new Guid(hash[..16], bigEndian: true);
    }
}
