using System.Text;
using Confluent.Kafka;
using StreamRec.Domain;
using StreamRec.Kafka.Ingest;

namespace StreamRec.Kafka.Tests;

public sealed class MappedDecoderTests
{
    private const long RecordTimestamp = 1_700_000_000_000;
    private static readonly DateTimeOffset Now = new(2026, 11, 20, 12, 0, 0, TimeSpan.Zero);
    private static readonly RecordHeaders Structured = RecordHeaders.Read(new Headers { { "content-type", "application/cloudevents+json"u8.ToArray() } });

    private static readonly MappingOptions Shop = new()
    {
        User = "$.user.id",
        Item = "$.items[0].sku",
        Type = "$.event.type",
        Time = "$.ts",
        EventId = "$['event id']",
        Value = "$.items[0].price",
        Types = { ["view_item"] = "view", ["Heartbeat"] = "ignore", ["7"] = "purchase", ["rating"] = "impression" },
    };

    [Fact]
    public void Fields_are_found_where_the_mapping_says()
    {
        var decoded = Accepted(Shop, """
            {"event":{"type":"view_item","v":1},"ts":1795130220000,"user":{"name":"x","id":"u42"},"event id":"e1",
             "items":[{"sku":"B1","price":9.5},{"sku":"B2"}],"user_id":"other","type":"like"}
            """);
        Assert.Equal(new Interaction("u42", "B1", InteractionType.View, 1795130220000, 9.5, "e1"), decoded);
    }

    [Fact]
    public void A_field_that_is_not_mapped_is_where_it_always_was()
    {
        var decoded = Accepted(new MappingOptions { User = "$.user.id" }, """{"user":{"id":"u"},"item_id":"i","type":"cart","timestamp":5,"event_id":"e","value":2}""");
        Assert.Equal(new Interaction("u", "i", InteractionType.Cart, 5, 2, "e"), decoded);
    }

    [Fact]
    public void A_standard_field_whose_place_another_path_takes_is_not_read()
    {
        Assert.True(double.IsNaN(Accepted(new MappingOptions { Item = "$.value.sku" }, """{"user_id":"u","value":{"sku":"i"}}""").Value));
        Assert.Null(Accepted(new MappingOptions { Item = "$.event_id" }, """{"user_id":"u","event_id":"i"}""").EventId);
    }

    [Theory]
    [InlineData("-5", "-5")]
    [InlineData("1.50", "1.50")]
    [InlineData("1e3", "1e3")]
    [InlineData("42", "42")]
    public void A_number_where_an_id_is_mapped_is_taken_as_its_text(string json, string id)
    {
        Assert.Equal(id, Accepted(Shop, $$"""{"user":{"id":{{json}}},"items":[{"sku":"i"}]}""").UserId);
        Assert.Equal(id, Accepted(Shop, $$"""{"user":{"id":"u"},"items":[{"sku":{{json}}}]}""").ItemId);
    }

    [Fact]
    public void A_number_where_an_id_is_not_mapped_keeps_the_old_rule() =>
        Refused(new MappingOptions { Item = "$.sku" }, """{"user_id":1.5,"sku":"i"}""", "invalid_user_id");

    [Theory]
    [InlineData("\"view_item\"", InteractionType.View)]
    [InlineData("\"VIEW_ITEM\"", InteractionType.View)]
    [InlineData("\"view\\u005fitem\"", InteractionType.View)]
    [InlineData("7", InteractionType.Purchase)]
    [InlineData("\"click\"", InteractionType.Click)]
    [InlineData("\"rating\"", InteractionType.Impression)]
    [InlineData("null", InteractionType.Click)]
    public void Words_mean_what_the_mapping_says_and_ours_what_they_always_did(string json, InteractionType type) =>
        Assert.Equal(type, Accepted(Shop, $$$"""{"event":{"type":{{{json}}}},"user":{"id":"u"},"items":[{"sku":"i"}]}""").Type);

    [Theory]
    [InlineData("""{"event":{"type":"heartbeat"}}""")]
    [InlineData("""{"user":{"id":""},"items":[{"price":"much"}],"event":{"type":"heartbeat"},"ts":-1}""")]
    [InlineData("""{"event":{"type":"HEARTBEAT"},"user":{"id":"u"},"items":[{"sku":"i"}]}""")]
    public void A_word_to_be_ignored_settles_the_matter_whatever_else_is_wrong(string json) => Refused(Shop, json, "ignored_type");

    [Theory]
    [InlineData("1795130220", 1795130220000)]
    [InlineData("1795130220.123", 1795130220123)]
    [InlineData("1.79513022e9", 1795130220000)]
    [InlineData("0.0019", 1)]
    [InlineData("\"2026-11-19T23:17:00Z\"", 1795130220000)]
    public void Seconds_are_understood_when_the_unit_says_so(string json, long milliseconds) =>
        Assert.Equal(milliseconds, Accepted(new MappingOptions { TimeUnit = "s" }, $$"""{"user_id":"u","item_id":"i","timestamp":{{json}}}""").TimestampMs);

    [Theory]
    [InlineData("1795130220000")]
    [InlineData("1e300")]
    [InlineData("-0.001")]
    [InlineData("true")]
    public void Seconds_that_are_none_are_refused(string json) =>
        Refused(new MappingOptions { TimeUnit = "s" }, $$"""{"user_id":"u","item_id":"i","timestamp":{{json}}}""", "invalid_timestamp");

    [Theory]
    [InlineData("", "empty")]
    [InlineData("[]", "invalid_json")]
    [InlineData("null", "invalid_json")]
    [InlineData("""{"user":{"id":"u"},"items":[{"sku":"i"}]}x""", "invalid_json")]
    [InlineData("""{"user":{"id":"u"},"items":[{"sku":"i"}],}""", "invalid_json")]
    [InlineData("""{"user":{"id":"u"},"items":[{"sku":"i" """, "invalid_json")]
    [InlineData("""{"event":{"type":"heartbeat"}""", "invalid_json")]
    [InlineData("""{"user_id":"u","item_id":"i"}""", "missing_user_id")]
    [InlineData("""{"user":"u","items":[{"sku":"i"}]}""", "missing_user_id")]
    [InlineData("""{"user":[{"id":"u"}],"items":[{"sku":"i"}]}""", "missing_user_id")]
    [InlineData("""{"user":{"id":null},"items":[{"sku":"i"}]}""", "missing_user_id")]
    [InlineData("""{"user":{"id":"u"},"items":[]}""", "missing_item_id")]
    [InlineData("""{"user":{"id":"u"},"items":{"0":{"sku":"i"}}}""", "missing_item_id")]
    [InlineData("""{"user":{"id":"u"},"items":[[{"sku":"i"}]]}""", "missing_item_id")]
    [InlineData("""{"user":{"id":{"a":[1]}},"items":[{"sku":"i"}]}""", "invalid_user_id")]
    [InlineData("""{"user":{"id":["u"]},"items":[{"sku":"i"}]}""", "invalid_user_id")]
    [InlineData("""{"user":{"id":false},"items":[{"sku":"i"}]}""", "invalid_user_id")]
    [InlineData("""{"user":{"id":"a\nb"},"items":[{"sku":"i"}]}""", "invalid_user_id")]
    [InlineData("""{"user":{"id":"\ud83d"},"items":[{"sku":"i"}]}""", "invalid_utf8")]
    [InlineData("""{"event":{"type":"\ud83d"},"user":{"id":"u"},"items":[{"sku":"i"}]}""", "invalid_utf8")]
    [InlineData("""{"\ud83d":1,"user":{"id":"u"},"items":[{"sku":"i"}]}""", "invalid_utf8")]
    [InlineData("""{"event":{"type":"like"},"user":{"id":"u"},"items":[{"sku":"i"}]}""", "unknown_type")]
    [InlineData("""{"event":{"type":8},"user":{"id":"u"},"items":[{"sku":"i"}]}""", "unknown_type")]
    [InlineData("""{"event":{"type":{}},"user":{"id":"u"},"items":[{"sku":"i"}]}""", "unknown_type")]
    [InlineData("""{"user":{"id":"u"},"items":[{"sku":"i","price":"5"}]}""", "invalid_value")]
    [InlineData("""{"user":{"id":"u"},"items":[{"sku":"i"}],"ts":"soon"}""", "invalid_timestamp")]
    [InlineData("""{"user":{"id":"u"},"items":[{"sku":"i"}],"event id":[]}""", "invalid_event_id")]
    [InlineData("""{"user":{"id":"u","id":"u"},"items":[{"sku":"i"}]}""", "duplicate_field")]
    [InlineData("""{"user":{"id":"u"},"user":{},"items":[{"sku":"i"}]}""", "duplicate_field")]
    [InlineData("""{"user":{"id":"u"},"us\u0065r":1,"items":[{"sku":"i"}]}""", "duplicate_field")]
    [InlineData("""{"user":{"id":"u"},"items":[{"sku":"i"}],"items":[]}""", "duplicate_field")]
    [InlineData("""{"event":{"type":"heartbeat"},"ts":1,"ts":2}""", "duplicate_field")]
    public void What_cannot_be_used_has_a_stable_code(string json, string code) => Refused(Shop, json, code);

    [Fact]
    public void What_is_doubled_where_nobody_looks_does_no_harm() =>
        Accepted(Shop, """{"x":1,"x":2,"user":{"id":"u","n":1,"n":2},"items":[{"sku":"i","sku2":1},{"sku":"j","sku":"k"}]}""");

    [Fact]
    public void Nesting_beyond_16_and_records_over_the_limit_are_refused_as_ever()
    {
        static string Nested(int depth) => $$"""{"a":{{new string('[', depth - 1)}}{{new string(']', depth - 1)}},"user":{"id":"u"},"items":[{"sku":"i"}]}""";
        Accepted(Shop, Nested(16));
        Refused(Shop, Nested(17), "invalid_json");
        Refused(Shop, Nested(20_000), "invalid_json");
        Refused(Shop, """{"user":{"id":"u"},"items":[{"sku":"i"}]}""".PadRight(65537), "oversized");
        Refused(Shop, $$$"""{"event":{"type":"{{{new string('x', 60_000)}}}"},"user":{"id":"u"},"items":[{"sku":"i"}]}""", "unknown_type");
        Refused(Shop, $$$"""{"user":{"id":{{{new string('1', 300)}}}},"items":[{"sku":"i"}]}""", "invalid_user_id");
    }

    [Fact]
    public void A_place_16_steps_deep_is_reached()
    {
        var path = "$" + string.Concat(Enumerable.Repeat(".a", 15)) + ".id";
        var json = string.Concat(Enumerable.Repeat("{\"a\":", 15)) + "{\"id\":\"u\"}" + new string('}', 15);
        Assert.Equal("u", Accepted(new MappingOptions { User = path }, json[..^1] + ",\"item_id\":\"i\"}").UserId);
    }

    [Fact]
    public void An_error_says_where_the_field_was_looked_for()
    {
        var error = Refused(Shop, """{"items":[{"sku":"i"}]}""", "missing_user_id");
        Assert.Equal("user_id is missing or null; it is required. Mapping:User reads it at $.user.id.", error.Message);
    }

    [Fact]
    public void A_structured_CloudEvent_is_read_from_the_event_on()
    {
        var mapping = new MappingOptions { User = "$.subject", Item = "$.data.sku", Type = "$.type", Types = { ["com.shop.view"] = "view" } };
        var decoded = Accepted(mapping, """
            {"specversion":"1.0","id":"ce-1","source":"/shop","type":"com.shop.view","subject":"u","time":"2026-11-19T23:17:00Z","data":{"sku":"i","value":3}}
            """, Structured);
        Assert.Equal(new Interaction("u", "i", InteractionType.View, 1795130220000, 3, "ce-1"), decoded);
    }

    [Fact]
    public void What_is_not_mapped_of_a_structured_CloudEvent_is_in_its_data()
    {
        var mapping = new MappingOptions { Item = "$.data.sku" };
        var decoded = Accepted(mapping, """
            {"id":"ce-1","type":"com.shop.view","time":"2026-11-19T23:17:00Z","user_id":"no","data":{"user_id":"u","sku":"i","type":"cart","event_id":"own","timestamp":5}}
            """, Structured);
        Assert.Equal(new Interaction("u", "i", InteractionType.Cart, 5, double.NaN, "own"), decoded);
        Refused(mapping, """{"id":"ce-1","data":"text"}""", "missing_user_id", Structured);
        Refused(mapping, """{"id":"a","id":"b","data":{}}""", "duplicate_field", Structured);
    }

    [Fact]
    public void A_binary_CloudEvent_is_read_from_its_value_on_and_its_headers_fill_in()
    {
        var headers = RecordHeaders.Read(new Headers { { "ce_id", "ce-2"u8.ToArray() }, { "ce_time", "2026-11-19T23:17:00Z"u8.ToArray() } });
        var decoded = Accepted(Shop, """{"user":{"id":"u"},"items":[{"sku":"i"}]}""", headers);
        Assert.Equal(("ce-2", 1795130220000), (decoded.EventId, decoded.TimestampMs));
    }

    [Fact]
    public void Types_that_mean_nothing_are_counted_and_at_most_100_of_them_by_name()
    {
        var decoder = Decoder(new MappingOptions());
        foreach (var word in Enumerable.Range(0, 150).Select(i => $"\"w{i}\"").Concat(["\"w3\"", "\"w140\"", "{}", $"\"{new string('x', 300)}\"", "\"click\""]))
        {
            decoder.Decode(Encoding.UTF8.GetBytes($$"""{"user_id":"u","item_id":"i","type":{{word}}}"""), default, RecordTimestamp, out _);
        }

        var counts = decoder.UnmatchedTypes;
        Assert.Equal((100, 2, 50 + 3), (counts.Words.Count, counts.Words["w3"], counts.Others));
        Assert.False(counts.Words.ContainsKey("w100"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_record_without_escapes_costs_no_memory(bool isMapped)
    {
        var decoder = Decoder(isMapped ? Shop : new MappingOptions());
        var json = isMapped
            ? """{"event":{"type":"view_item"},"ts":1795130220000,"user":{"id":"u42"},"items":[{"sku":"B1","price":9.5}]}"""u8.ToArray()
            : """{"user_id":"u42","item_id":"B1","type":"view","timestamp":1795130220000,"value":9.5}"""u8.ToArray();
        Assert.Null(decoder.Decode(json, default, RecordTimestamp, out _));
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++)
        {
            decoder.Decode(json, default, RecordTimestamp, out _);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Random_mappings_of_random_records_give_what_a_plain_walk_through_the_document_gives(int seed)
    {
        var random = new Random(seed);
        var outcomes = new Dictionary<string, int>();
        for (var round = 0; round < 300; round++)
        {
            var mapping = RandomRecords.Mapping(random);
            Assert.True(new MappingOptionsValidator().Validate(null, mapping).Succeeded);
            var decoder = Decoder(mapping);
            for (var i = 0; i < 60; i++)
            {
                var isEvent = random.Next(3) == 0;
                var json = RandomRecords.Record(random, mapping, isEvent);
                var expected = PlainMapper.Map(json, mapping, isEvent, RecordTimestamp, Now);
                var error = decoder.Decode(Encoding.UTF8.GetBytes(json), isEvent ? Structured : default, RecordTimestamp, out var interaction);
                if (expected.Interaction is { } wanted)
                {
                    Assert.True(error is null, $"{error?.Code} instead of {wanted}: {json}");
                    Assert.Equal(wanted, interaction.Copy());
                }
                else
                {
                    Assert.True(expected.Codes.Contains(error?.Code ?? "accepted"), $"{error?.Code ?? "accepted"} instead of {string.Join(" or ", expected.Codes)}: {json}");
                }

                outcomes[error?.Code ?? "accepted"] = outcomes.GetValueOrDefault(error?.Code ?? "accepted") + 1;
            }
        }

        // The comparison is worth something only where every outcome comes up.
        string[] all = ["accepted", "ignored_type", "duplicate_field", "missing_user_id", "missing_item_id", "invalid_user_id", "invalid_item_id", "invalid_event_id",
            "unknown_type", "invalid_timestamp", "invalid_value"];
        Assert.All(all, code => Assert.True(outcomes.GetValueOrDefault(code) >= 20, $"{code}: {outcomes.GetValueOrDefault(code)}"));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Random_bytes_and_mutations_always_give_a_result(int seed)
    {
        var random = new Random(seed);
        var decoder = Decoder(Shop);
        var valid = """{"event":{"type":"view_item"},"ts":1795130220000,"user":{"id":"\u00dcn"},"event id":"e","items":[{"sku":"B1","price":9.5},[{"a":1}]]}"""u8.ToArray();
        for (var i = 0; i < 50_000; i++)
        {
            var bytes = valid.ToArray();
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

            var error = decoder.Decode(bytes, random.Next(2) == 0 ? Structured : default, RecordTimestamp, out var interaction);
            Assert.True(error is not null || (interaction.UserId.Length > 0 && interaction.ItemId.Length > 0));
        }
    }

    private static InteractionDecoder Decoder(MappingOptions mapping) => new(65536, mapping, new FixedTime(Now));

    private static Interaction Accepted(MappingOptions mapping, string json, RecordHeaders headers = default)
    {
        var error = Decoder(mapping).Decode(Encoding.UTF8.GetBytes(json), headers, RecordTimestamp, out var interaction);
        Assert.Null(error);
        return interaction.Copy();
    }

    private static DecodeError Refused(MappingOptions mapping, string json, string code, RecordHeaders headers = default)
    {
        var error = Decoder(mapping).Decode(Encoding.UTF8.GetBytes(json), headers, RecordTimestamp, out _);
        Assert.Equal(code, error?.Code);
        return error!;
    }
}
