using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using StreamRec.Cli.Files;
using StreamRec.Domain;
using StreamRec.Kafka.Ingest;
using StreamRec.Server.Http;

namespace StreamRec.Cli.Commands;

/// <summary><c>streamrec map test</c>: what the settings would make of a producer's records, before any of them is sent.</summary>
internal static class MapCommand
{
    private const int Shown = 5;
    private const int MaxFields = 100;

    public static Command Create() => new("map", "Mapping of a producer's own JSON: try it.") { Test() };

    private static Command Test()
    {
        var file = new Argument<string>("file") { Description = "Records, one JSON object a line; plain or gz." };
        var count = new Option<int>("--count") { Description = "Read the first N records.", DefaultValueFactory = _ => 10_000 };
        var events = new Option<bool>("--cloudevents") { Description = "Each record is a CloudEvent in structured mode (content-type application/cloudevents+json)." };
        var command = new Command("test", "Show what the section Mapping makes of a sample of records.") { file, count, events };
        command.SetAction(result =>
        {
            var options = Settings.Read(result);
            if (result.GetValue(count) < 1)
            {
                throw new ArgumentException($"--count is {result.GetValue(count)}; it must be 1 or more.");
            }

            var records = SampleFile.Read(result.GetValue(file)!).Take(result.GetValue(count));
            var trial = new DecodeTrial(options.Kafka, options.Mapping, TimeProvider.System);
            var sample = new Sample();
            foreach (var (number, value) in records)
            {
                sample.Add(number, value, trial.Decode(value, result.GetValue(events)));
            }

            Write(sample, trial.UnmatchedTypes, Settings.AsJson(result));
            return sample.Matched > 0 ? ExitCode.Success : ExitCode.Failure;
        });
        return command;
    }

    private static void Write(Sample sample, UnmatchedTypeCounts unmatched, bool json)
    {
        var types = IngestView.TypesOf(unmatched);
        if (json)
        {
            Output.WriteJson(new
            {
                sample.Records,
                sample.Matched,
                sample.Filtered,
                sample.Unmatched,
                UnmatchedTypes = types,
                OtherUnmatchedTypes = unmatched.Others,
                Fields = sample.Fields.OrderByDescending(f => f.Value).ToDictionary(f => f.Key, f => f.Value),
                First = sample.First.Select(f => new
                {
                    Row = f.Number,
                    f.Result.Interaction?.UserId,
                    f.Result.Interaction?.ItemId,
                    Type = f.Result.Interaction?.Type.ToString().ToLowerInvariant(),
                    f.Result.Interaction?.TimestampMs,
                    Value = ValueOf(f.Result.Interaction),
                    f.Result.Interaction?.EventId,
                    f.Result.Code,
                    f.Result.Message,
                }),
            });
            return;
        }

        Output.WriteTable(
            ["row", "user", "item", "type", "time", "value", "event", "otherwise"],
            sample.First.Select(f => (IReadOnlyList<string>)
            [
                f.Number.ToString(CultureInfo.InvariantCulture), f.Result.Interaction?.UserId ?? "", f.Result.Interaction?.ItemId ?? "",
                f.Result.Interaction?.Type.ToString().ToLowerInvariant() ?? "",
                f.Result.Interaction is { } i ? DateTimeOffset.FromUnixTimeMilliseconds(i.TimestampMs).ToString("u", CultureInfo.InvariantCulture) : "",
                ValueOf(f.Result.Interaction)?.ToString(CultureInfo.InvariantCulture) ?? "", f.Result.Interaction?.EventId ?? "",
                f.Result.Code is null ? "" : $"{f.Result.Code}: {f.Result.Message}",
            ]));
        Console.WriteLine($"{sample.Records:N0} records: {sample.Matched:N0} matched, {sample.Filtered.Values.Sum():N0} ignored, {sample.Unmatched.Values.Sum():N0} unmatched.");
        WriteCounts("Unmatched because of", sample.Unmatched);
        WriteCounts("Commonest unmatched types", types.Take(10).ToDictionary(t => t.Type, t => t.Count));
        if (sample.Matched == 0)
        {
            WriteCounts("The records have these fields", sample.Fields);
        }
    }

    private static void WriteCounts(string title, Dictionary<string, long> counts)
    {
        if (counts.Count > 0)
        {
            Console.WriteLine($"{title}: {string.Join(", ", counts.OrderByDescending(c => c.Value).Select(c => $"{Output.Harmless(c.Key)} ({c.Value:N0})"))}");
        }
    }

    // NaN stands for no value, and JSON has no word for it.
    private static double? ValueOf(Interaction? interaction) => interaction is { Value: var value } && !double.IsNaN(value) ? value : null;

    /// <summary>What became of the records of a sample.</summary>
    private sealed class Sample
    {
        public long Records { get; private set; }

        public long Matched { get; private set; }

        public Dictionary<string, long> Filtered { get; } = [];

        public Dictionary<string, long> Unmatched { get; } = [];

        /// <summary>Top-level fields and how many records have them; at most 100 names.</summary>
        public Dictionary<string, long> Fields { get; } = [];

        public List<(int Number, TrialResult Result)> First { get; } = [];

        public void Add(int number, byte[] value, TrialResult result)
        {
            Records++;
            if (First.Count < Shown)
            {
                First.Add((number, result));
            }

            if (result.Code is not { } code)
            {
                Matched++;
            }
            else
            {
                var counts = result.IsFiltered ? Filtered : Unmatched;
                counts[code] = counts.GetValueOrDefault(code) + 1;
            }

            CountFields(value);
        }

        private void CountFields(byte[] value)
        {
            try
            {
                var reader = new Utf8JsonReader(value);
                if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
                {
                    return;
                }

                while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
                {
                    var name = reader.GetString()!;
                    if (Fields.Count < MaxFields || Fields.ContainsKey(name))
                    {
                        Fields[name] = Fields.GetValueOrDefault(name) + 1;
                    }

                    reader.Skip();
                }
            }
            catch (Exception exception) when (exception is JsonException or InvalidOperationException)
            {
                // Not JSON from here on; the decoder has said so already.
            }
        }
    }
}
