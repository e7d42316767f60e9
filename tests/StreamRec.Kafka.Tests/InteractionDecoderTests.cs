using System.Text;
using Confluent.Kafka;
using StreamRec.Domain;
using StreamRec.Kafka.Ingest;

namespace StreamRec.Kafka.Tests;

public sealed class InteractionDecoderTests
{
    private const long RecordTimestamp = 1_700_000_000_000;
    private static readonly DateTimeOffset Now = new(2026, 11, 20, 12, 0, 0, TimeSpan.Zero);
    private readonly InteractionDecoder _decoder = new(65536, new MappingOptions(), new FixedTime(Now));

    [Fact]
    public void A_full_interaction_is_decoded()
    {
        var decoded = Accepted("""
            {"event_id":"e1","user_id":"u42","item_id":"B004756YJA","type":"rating","timestamp":"2026-11-19T23:17:00Z","value":5}
            """);
        var timestamp = new DateTimeOffset(2026, 11, 19, 23, 17, 0, TimeSpan.Zero).ToUnixTimeMilliseconds();
        Assert.Equal(new Interaction("u42", "B004756YJA", InteractionType.Rating, timestamp, 5, "e1"), decoded);
    }

    [Fact]
    public void Optional_fields_have_defaults()
    {
        var decoded = Accepted("""{"user_id":"u","item_id":"i"}""");
        Assert.Equal(new Interaction("u", "i", InteractionType.Click, RecordTimestamp), decoded);
        Assert.Null(decoded.EventId);
    }

    [Fact]
    public void Null_counts_as_absent_in_optional_fields()
    {
        var decoded = Accepted("""{"user_id":"u","item_id":"i","type":null,"timestamp":null,"value":null,"event_id":null}""");
        Assert.Equal(new Interaction("u", "i", InteractionType.Click, RecordTimestamp), decoded);
    }

    [Theory]
    [InlineData("click", InteractionType.Click)]
    [InlineData("view", InteractionType.View)]
    [InlineData("cart", InteractionType.Cart)]
    [InlineData("purchase", InteractionType.Purchase)]
    [InlineData("rating", InteractionType.Rating)]
    [InlineData("impression", InteractionType.Impression)]
    public void Each_type_has_its_name(string name, InteractionType type) =>
        Assert.Equal(type, Accepted($$"""{"user_id":"u","item_id":"i","type":"{{name}}"}""").Type);

    [Theory]
    [InlineData("\"2026-11-19T23:17:00Z\"", 1795130220000)]
    [InlineData("\"2026-11-19T23:17:00.123456Z\"", 1795130220123)]
    [InlineData("\"2026-11-20T00:17:00+01:00\"", 1795130220000)]
    [InlineData("\"2026-11-19T23:17:00\"", 1795130220000)]
    [InlineData("\"2026-11-19\"", 1795046400000)]
    [InlineData("1795130220000", 1795130220000)]
    [InlineData("1795130220000.75", 1795130220000)]
    [InlineData("1.79513022e12", 1795130220000)]
    [InlineData("0", 0)]
    public void Timestamps_are_ISO_8601_or_epoch_milliseconds(string json, long milliseconds) =>
        Assert.Equal(milliseconds, Accepted($$"""{"user_id":"u","item_id":"i","timestamp":{{json}}}""").TimestampMs);

    [Fact]
    public void Numeric_ids_are_taken_as_their_text()
    {
        var decoded = Accepted("""{"user_id":12345,"item_id":678901234567890123456789,"event_id":7}""");
        Assert.Equal(("12345", "678901234567890123456789", "7"), (decoded.UserId, decoded.ItemId, decoded.EventId));
    }

    [Fact]
    public void Unknown_fields_are_ignored_whatever_they_hold() =>
        Assert.Equal("u", Accepted("""{"a":{"user_id":"x","b":[1,{"c":null}]},"user_id":"u","item_id":"i","USER_ID":"y","d":[[]]}""").UserId);

    [Fact]
    public void Escapes_and_other_scripts_are_understood_and_give_the_same_ids()
    {
        var plain = Accepted("""{"user_id":"Ünï","item_id":"Ünï-日本-😀"}""");
        var escaped = Accepted("""{"user\u005fid":"\u00dcn\u00ef","item_id":"\u00dcn\u00ef-\u65e5\u672c-\ud83d\ude00"}""");
        Assert.Equal(("Ünï", "Ünï-日本-😀"), (plain.UserId, plain.ItemId));
        Assert.Equal(plain, escaped);
    }

    [Fact]
    public void An_id_may_have_256_bytes_and_no_more()
    {
        Assert.Equal(256, Accepted($$"""{"user_id":"{{new string('a', 256)}}","item_id":"i"}""").UserId.Length);
        Assert.Equal(128, Accepted($$"""{"user_id":"{{new string('ü', 128)}}","item_id":"i"}""").UserId.Length);
        Refused($$"""{"user_id":"{{new string('a', 257)}}","item_id":"i"}""", "invalid_user_id");
        Refused($$"""{"user_id":"{{new string('ü', 129)}}","item_id":"i"}""", "invalid_user_id");
        Refused($$"""{"user_id":"u","item_id":"{{string.Concat(Enumerable.Repeat("\\u0061", 400))}}"}""", "invalid_item_id");
    }

    [Theory]
    [InlineData("", "empty")]
    [InlineData("   ", "invalid_json")]
    [InlineData("nonsense", "invalid_json")]
    [InlineData("[]", "invalid_json")]
    [InlineData("\"text\"", "invalid_json")]
    [InlineData("null", "invalid_json")]
    [InlineData("""{"user_id":"u","item_id":"i"}x""", "invalid_json")]
    [InlineData("""{"user_id":"u","item_id":"i"}{}""", "invalid_json")]
    [InlineData("""{"user_id":"u","item_id":"i",}""", "invalid_json")]
    [InlineData("""{"user_id":"u","item_id":"i" """, "invalid_json")]
    [InlineData("""{"user_id":"u","item_id":"i"/*c*/}""", "invalid_json")]
    [InlineData("""{"item_id":"i"}""", "missing_user_id")]
    [InlineData("""{"user_id":null,"item_id":"i"}""", "missing_user_id")]
    [InlineData("""{"user_id":"u"}""", "missing_item_id")]
    [InlineData("""{"user_id":"","item_id":"i"}""", "invalid_user_id")]
    [InlineData("""{"user_id":"a\nb","item_id":"i"}""", "invalid_user_id")]
    [InlineData("""{"user_id":"a\u0000","item_id":"i"}""", "invalid_user_id")]
    [InlineData("""{"user_id":"a\u0085","item_id":"i"}""", "invalid_user_id")]
    [InlineData("""{"user_id":true,"item_id":"i"}""", "invalid_user_id")]
    [InlineData("""{"user_id":{"a":1},"item_id":"i"}""", "invalid_user_id")]
    [InlineData("""{"user_id":["u"],"item_id":"i"}""", "invalid_user_id")]
    [InlineData("""{"user_id":1.5,"item_id":"i"}""", "invalid_user_id")]
    [InlineData("""{"user_id":-1,"item_id":"i"}""", "invalid_user_id")]
    [InlineData("""{"user_id":"u","item_id":1e3}""", "invalid_item_id")]
    [InlineData("""{"user_id":"u","item_id":"i","event_id":""}""", "invalid_event_id")]
    [InlineData("""{"user_id":"\ud83d","item_id":"i"}""", "invalid_utf8")]
    [InlineData("""{"user_id":"u","item_id":"i","type":"Click"}""", "unknown_type")]
    [InlineData("""{"user_id":"u","item_id":"i","type":"like"}""", "unknown_type")]
    [InlineData("""{"user_id":"u","item_id":"i","type":1}""", "unknown_type")]
    [InlineData("""{"user_id":"u","item_id":"i","timestamp":"yesterday"}""", "invalid_timestamp")]
    [InlineData("""{"user_id":"u","item_id":"i","timestamp":true}""", "invalid_timestamp")]
    [InlineData("""{"user_id":"u","item_id":"i","timestamp":-1}""", "invalid_timestamp")]
    [InlineData("""{"user_id":"u","item_id":"i","timestamp":1e300}""", "invalid_timestamp")]
    [InlineData("""{"user_id":"u","item_id":"i","timestamp":"1969-12-31T23:59:59Z"}""", "invalid_timestamp")]
    [InlineData("""{"user_id":"u","item_id":"i","timestamp":"2026-11-21T12:00:01Z"}""", "invalid_timestamp")]
    [InlineData("""{"user_id":"u","item_id":"i","value":"5"}""", "invalid_value")]
    [InlineData("""{"user_id":"u","item_id":"i","value":1e999}""", "invalid_value")]
    [InlineData("""{"user_id":"u","item_id":"i","value":[1]}""", "invalid_value")]
    [InlineData("""{"user_id":"u","item_id":"i","user_id":"u"}""", "duplicate_field")]
    [InlineData("""{"type":"view","user_id":"u","item_id":"i","type":"view"}""", "duplicate_field")]
    public void What_cannot_be_used_has_a_stable_code(string json, string code) => Refused(json, code);

    [Fact]
    public void A_timestamp_may_be_one_day_ahead() => Accepted("""{"user_id":"u","item_id":"i","timestamp":"2026-11-21T12:00:00Z"}""");

    [Fact]
    public void The_records_own_timestamp_is_checked_too()
    {
        var error = _decoder.Decode("""{"user_id":"u","item_id":"i"}"""u8, default, long.MaxValue, out _);
        Assert.Equal("invalid_timestamp", error?.Code);
    }

    [Fact]
    public void Nesting_beyond_16_is_refused()
    {
        static string Nested(int depth) => $$"""{"a":{{new string('[', depth - 1)}}{{new string(']', depth - 1)}},"user_id":"u","item_id":"i"}""";
        Accepted(Nested(16));
        Refused(Nested(17), "invalid_json");
        Refused(Nested(20_000), "invalid_json");
    }

    [Fact]
    public void A_record_over_the_limit_is_refused_unparsed()
    {
        Accepted("""{"user_id":"u","item_id":"i"}""".PadRight(65536));
        var error = Refused("""{"user_id":"u","item_id":"i"}""".PadRight(65537), "oversized");
        Assert.Contains("65537 bytes", error.Message, StringComparison.Ordinal);
        Assert.Contains("65536", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Invalid_UTF8_is_refused_wherever_it_is()
    {
        var json = """{"user_id":"u","item_id":"i","note":"?"}"""u8.ToArray();
        json[Array.IndexOf(json, (byte)'?')] = 0xFF;
        Assert.Equal("invalid_utf8", _decoder.Decode(json, default, RecordTimestamp, out _)?.Code);
    }

    [Fact]
    public void A_structured_CloudEvent_fills_in_what_its_data_lacks()
    {
        var headers = RecordHeaders.Read(new Headers { { "content-type", "application/cloudevents+json; charset=UTF-8"u8.ToArray() } });
        const string Envelope = """
            {"specversion":"1.0","id":"ce-1","source":"/shop","type":"click","time":"2026-11-19T23:17:00Z",
             "data":{"user_id":"u","item_id":"i"DATA}}
            """;
        var lacking = Accepted(Envelope.Replace("DATA", "", StringComparison.Ordinal), headers);
        Assert.Equal(("ce-1", 1795130220000), (lacking.EventId, lacking.TimestampMs));
        var own = Accepted(Envelope.Replace("DATA", ",\"event_id\":\"own\",\"timestamp\":5", StringComparison.Ordinal), headers);
        Assert.Equal(("own", 5), (own.EventId, own.TimestampMs));
        Refused("""{"specversion":"1.0","id":"ce-1"}""", "invalid_cloudevent", headers);
        Refused("""{"id":"ce-1","data":"text"}""", "invalid_cloudevent", headers);
        Refused("""{"id":"ce-1","data":{"item_id":"i"}}""", "missing_user_id", headers);
        Refused("""{"id":"ce-1","data":{"user_id":"u","item_id":"i"}}garbage""", "invalid_json", headers);
    }

    [Fact]
    public void A_binary_CloudEvent_fills_in_what_its_value_lacks()
    {
        var headers = RecordHeaders.Read(new Headers { { "ce_id", "ce-2"u8.ToArray() }, { "ce_time", "2026-11-19T23:17:00Z"u8.ToArray() } });
        var lacking = Accepted("""{"user_id":"u","item_id":"i"}""", headers);
        Assert.Equal(("ce-2", 1795130220000), (lacking.EventId, lacking.TimestampMs));
        Assert.Equal("own", Accepted("""{"user_id":"u","item_id":"i","event_id":"own"}""", headers).EventId);
        Refused(
            """{"user_id":"u","item_id":"i"}""", "invalid_timestamp",
            RecordHeaders.Read(new Headers { { "ce_time", "\"},x"u8.ToArray() } }));
    }

    [Theory]
    [InlineData("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true)]
    [InlineData("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", false)]
    [InlineData("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0", false)]
    [InlineData("00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false)]
    public void Only_a_well_formed_traceparent_is_carried_on(string value, bool isCarried)
    {
        var headers = RecordHeaders.Read(new Headers { { "traceparent", Encoding.ASCII.GetBytes(value) } });
        Assert.Equal(isCarried ? value : null, headers.TraceParent);
    }

    [Fact]
    public void A_header_without_a_value_does_no_harm()
    {
        var headers = RecordHeaders.Read(new Headers { { "traceparent", null }, { "content-type", null }, { "ce_id", null }, { "ce_time", null } });
        Accepted("""{"user_id":"u","item_id":"i"}""", headers);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Random_bytes_and_mutations_always_give_a_result(int seed)
    {
        var random = new Random(seed);
        var valid = """
            {"event_id":"e1","user_id":"Ünï\u00e9","item_id":12,"type":"click","timestamp":"2026-11-19T23:17:00Z","value":5.5,"x":[{"y":null}]}
            """u8.ToArray();
        RecordHeaders[] headers =
        [
            default, new(null, true, null, null), new(null, false, "e"u8.ToArray(), "2026-11-19"u8.ToArray()), new(null, false, [0xFF], [0x22, 0x5C, 0xC3]),
        ];
        for (var i = 0; i < 100_000; i++)
        {
            var bytes = (i & 3) == 0 ? new byte[random.Next(200)] : valid.ToArray();
            if ((i & 3) == 0)
            {
                random.NextBytes(bytes);
            }

            for (var edits = random.Next(1, 6); edits > 0 && bytes.Length > 1; edits--)
            {
                var at = random.Next(bytes.Length);
                switch (random.Next(4))
                {
                    case 0:
                        bytes[at] = (byte)random.Next(256);
                        break;
                    case 1:
                        bytes[at] = "{}[]\",:\\u0e-1. "u8[random.Next(15)];
                        break;
                    case 2:
                        bytes = bytes[..at];
                        break;
                    default:
                        bytes = [.. bytes[..at], .. bytes[random.Next(bytes.Length)..]];
                        break;
                }
            }

            var error = _decoder.Decode(bytes, headers[random.Next(headers.Length)], RecordTimestamp, out var interaction);
            Assert.True(error is not null || (interaction.UserId.Length > 0 && interaction.ItemId.Length > 0));
        }
    }

    private Interaction Accepted(string json, RecordHeaders headers = default)
    {
        var error = _decoder.Decode(Encoding.UTF8.GetBytes(json), headers, RecordTimestamp, out var interaction);
        Assert.Null(error);
        return interaction.Copy();
    }

    private DecodeError Refused(string json, string code, RecordHeaders headers = default)
    {
        var error = _decoder.Decode(Encoding.UTF8.GetBytes(json), headers, RecordTimestamp, out _);
        Assert.Equal(code, error?.Code);
        return error!;
    }
}
