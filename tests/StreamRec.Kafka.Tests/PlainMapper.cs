using System.Globalization;
using System.Text;
using System.Text.Json;
using StreamRec.Domain;

namespace StreamRec.Kafka.Tests;

/// <summary>The mapping written down as plainly as possible, over a document in memory: what the decoder's one pass is compared with.</summary>
internal static class PlainMapper
{
    private static readonly string[] Ours = ["click", "view", "cart", "purchase", "rating", "impression"];

    /// <summary>The interaction, or the codes of everything that is wrong.</summary>
    public static (Interaction? Interaction, IReadOnlyCollection<string> Codes) Map(
        string json, MappingOptions mapping, bool isEvent, long recordTimestamp, DateTimeOffset now)
    {
        using var document = JsonDocument.Parse(json);
        var root = document.RootElement;
        var mapped = new[] { mapping.User, mapping.Item, mapping.Type, mapping.Time, mapping.EventId, mapping.Value };
        string[] standard = ["user_id", "item_id", "type", "timestamp", "event_id", "value"];
        var places = new List<string[]?>();
        for (var i = 0; i < standard.Length; i++)
        {
            places.Add(mapped[i] is { } path ? Split(path) : Free(isEvent ? ["data", standard[i]] : [standard[i]]));
        }

        var (envelopeId, envelopeTime) = isEvent ? (Free(["id"]), Free(["time"])) : (null, null);
        if (places.Append(envelopeId).Append(envelopeTime).Any(place => place is not null && IsDoubled(root, place)))
        {
            return (null, ["duplicate_field"]);
        }

        var codes = new HashSet<string>();
        var user = Id(places[0], "invalid_user_id", mapping.User is not null);
        var item = Id(places[1], "invalid_item_id", mapping.Item is not null);
        var type = Type(places[2], out var isIgnored);
        var time = Time(places[3], mapping.TimeUnit == "s");
        var id = Id(places[4], "invalid_event_id", mapping.EventId is not null);
        var value = Value(places[5]);
        var (otherId, otherTime) = (Id(envelopeId, "invalid_event_id", anyNumber: false), Time(envelopeTime, inSeconds: false));
        (id, time) = (id ?? otherId, time ?? otherTime);
        if (isIgnored)
        {
            return (null, ["ignored_type"]);
        }

        if (codes.Count > 0)
        {
            return (null, codes);
        }

        time ??= recordTimestamp;
        return user is null ? (null, ["missing_user_id"])
            : item is null ? (null, ["missing_item_id"])
            : time < 0 || time > (now + TimeSpan.FromDays(1)).ToUnixTimeMilliseconds() ? (null, ["invalid_timestamp"])
            : (new Interaction(user, item, type, time.Value, value, id), []);

        // A standard place that a path touches is nobody's.
        string[]? Free(string[] place) =>
            mapped.OfType<string>().Any(path => Split(path).Zip(place).All(pair => pair.First == pair.Second)) ? null : place;

        string? Id(string[]? place, string code, bool anyNumber)
        {
            if (Find(root, place) is not { } element)
            {
                return null;
            }

            var text = element.ValueKind switch
            {
                JsonValueKind.String => element.GetString()!,
                JsonValueKind.Number when anyNumber || element.GetRawText().All(char.IsAsciiDigit) => element.GetRawText(),
                _ => "",
            };
            return Interaction.IsId(text) ? text : Wrong<string>(code);
        }

        InteractionType Type(string[]? place, out bool isIgnored)
        {
            isIgnored = false;
            if (Find(root, place) is not { } element)
            {
                return InteractionType.Click;
            }

            var word = element.ValueKind is JsonValueKind.String ? element.GetString()! : element.GetRawText();
            var isWord = element.ValueKind is JsonValueKind.String or JsonValueKind.Number;
            if (isWord && mapping.Types.TryGetValue(word, out var meaning))
            {
                isIgnored = meaning == "ignore";
                return isIgnored ? default : (InteractionType)Array.IndexOf(Ours, meaning);
            }

            if (element.ValueKind != JsonValueKind.String || !Ours.Contains(word))
            {
                codes.Add("unknown_type");
                return default;
            }

            return (InteractionType)Array.IndexOf(Ours, word);
        }

        long? Time(string[]? place, bool inSeconds)
        {
            if (Find(root, place) is not { } element)
            {
                return null;
            }

            return element.ValueKind switch
            {
                JsonValueKind.Number when inSeconds && Math.Abs(element.GetDouble()) >= 1e12 => Wrong<long?>("invalid_timestamp"),
                JsonValueKind.Number => (long)Math.Floor(decimal.Parse(element.GetRawText(), NumberStyles.Float, CultureInfo.InvariantCulture) * (inSeconds ? 1000 : 1)),
                JsonValueKind.String when DateTimeOffset.TryParseExact(
                    element.GetString(), "yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) => at.ToUnixTimeMilliseconds(),
                _ => Wrong<long?>("invalid_timestamp"),
            };
        }

        double Value(string[]? place) =>
            Find(root, place) is not { } element ? double.NaN
            : element.ValueKind == JsonValueKind.Number ? element.GetDouble()
            : Wrong<double>("invalid_value");

        T? Wrong<T>(string code)
        {
            codes.Add(code);
            return default;
        }
    }

    /// <summary>Steps of a path in which names have nothing but letters and underscores; elements are kept as <c>[n]</c>.</summary>
    public static string[] Split(string path) => path.Replace("[", ".[", StringComparison.Ordinal).Split('.')[1..];

    private static JsonElement? Find(JsonElement root, string[]? place)
    {
        foreach (var step in place ?? [])
        {
            if (step[0] == '[')
            {
                var index = int.Parse(step[1..^1], CultureInfo.InvariantCulture);
                if (root.ValueKind != JsonValueKind.Array || index >= root.GetArrayLength())
                {
                    return null;
                }

                root = root[index];
            }
            else if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty(step, out root))
            {
                return null;
            }
        }

        return place is null || root.ValueKind == JsonValueKind.Null ? null : root;
    }

    private static bool IsDoubled(JsonElement root, string[] place)
    {
        for (var depth = 0; depth < place.Length; depth++)
        {
            if (Find(root, place[..depth]) is { ValueKind: JsonValueKind.Object } parent && parent.EnumerateObject().Count(p => p.Name == place[depth]) > 1)
            {
                return true;
            }
        }

        return false;
    }
}

/// <summary>Mappings, and records that fit them more or less.</summary>
internal static class RandomRecords
{
    private static readonly string[] Names = ["a", "b", "user_id", "item_id", "type", "value", "data", "id", "time", "event_id", "timestamp"];
    private static readonly string[] Scalars =
    [
        "\"u\"", "\"i2\"", "\"click\"", "\"view_item\"", "\"ping\"", "\"like\"", "\"\"", "7", "-1.5", "1700000000", "1700000000000", "true", "null", "{}", "[]", "[1]",
        "\"2026-11-19T23:17:00Z\"", "\"\\u00e9\"", "{\"a\":1}",
    ];

    public static MappingOptions Mapping(Random random)
    {
        while (true)
        {
            var mapping = new MappingOptions
            {
                User = Path(random),
                Item = Path(random),
                Type = Path(random),
                Time = Path(random),
                EventId = Path(random),
                Value = Path(random),
                TimeUnit = random.Next(3) == 0 ? "s" : "ms",
                Types = { ["view_item"] = "view", ["ping"] = "ignore", ["7"] = "cart" },
            };
            if (new MappingOptionsValidator().Validate(null, mapping).Succeeded)
            {
                return mapping;
            }
        }
    }

    /// <summary>A record with something at most places that the mapping looks at, and sometimes twice.</summary>
    public static string Record(Random random, MappingOptions mapping, bool isEvent)
    {
        string?[] mapped = [mapping.User, mapping.Item, mapping.Type, mapping.Time, mapping.EventId, mapping.Value];
        string[] standard = ["user_id", "item_id", "type", "timestamp", "event_id", "value"];
        string[][] fitting =
        [
            ["\"u\"", "\"\\u00e9\"", "12"], ["\"i2\"", "7"], ["\"click\"", "\"view_item\"", "\"cart\"", "7"], ["1700000000", "\"2026-11-19T23:17:00Z\""], ["\"e\""], ["5"],
        ];
        var root = new Node();
        for (var i = 0; i < mapped.Length; i++)
        {
            if (random.Next(12) > 0)
            {
                var scalar = random.Next(12) == 0 ? Scalars[random.Next(Scalars.Length)] : fitting[i][random.Next(fitting[i].Length)];
                root.Put(mapped[i] is { } path ? PlainMapper.Split(path) : isEvent ? ["data", standard[i]] : [standard[i]], scalar, random);
            }
        }

        for (var extra = random.Next(3); extra > 0; extra--)
        {
            root.Put([Names[random.Next(Names.Length)]], Scalars[random.Next(Scalars.Length)], random);
        }

        return root.Write(random, isRoot: true);
    }

    private static string? Path(Random random)
    {
        if (random.Next(3) == 0)
        {
            return null;
        }

        var path = new StringBuilder("$");
        for (var steps = random.Next(1, 4); steps > 0; steps--)
        {
            path.Append(random.Next(4) == 0 && path.Length > 1 ? $"[{random.Next(3)}]" : $".{Names[random.Next(Names.Length)]}");
        }

        return path.ToString();
    }

    private sealed class Node
    {
        private readonly SortedDictionary<string, Node> _children = new(StringComparer.Ordinal);
        private string? _scalar;

        public void Put(string[] place, string scalar, Random random)
        {
            var node = this;
            foreach (var step in place)
            {
                if (!node._children.TryGetValue(step, out var child))
                {
                    node._children[step] = child = new Node();
                }

                node = child;
            }

            node._scalar = scalar;
        }

        public string Write(Random random, bool isRoot = false)
        {
            if (_children.Count == 0)
            {
                return _scalar ?? "null";
            }

            var elements = _children.Where(c => c.Key[0] == '[').ToList();
            if (elements.Count > 0 && !isRoot)
            {
                var array = Enumerable.Repeat("0", 3).ToArray();
                foreach (var (key, node) in elements)
                {
                    array[key[1] - '0'] = node.Write(random);
                }

                return $"[{string.Join(',', array)}]";
            }

            var members = _children.Where(c => c.Key[0] != '[').Select(c => $"\"{c.Key}\":{c.Value.Write(random)}").ToList();
            if (members.Count > 0 && random.Next(60) == 0)
            {
                members.Add(members[random.Next(members.Count)]);
            }

            var shuffled = members.ToArray();
            random.Shuffle(shuffled);
            return $"{{{string.Join(',', shuffled)}}}";
        }
    }
}
