using System.CommandLine;
using Microsoft.Extensions.Logging;
using StreamRec.Server;

namespace StreamRec.Cli;

/// <summary>The options that every command understands, and what they come to.</summary>
internal static class Settings
{
    private static readonly Option<string?> Config = new("--config") { Description = "Settings file (JSON); config/streamrec.json shows every key.", Recursive = true };

    private static readonly Option<string?> Data = new("--data") { Description = "Data directory: journal, checkpoints (default: data).", Recursive = true };

    private static readonly Option<string[]> Set = new("--set")
    {
        Description = "One setting, for example --set Kafka:BootstrapServers=localhost:9092; may be repeated.",
        Recursive = true,
        DefaultValueFactory = _ => [],
    };

    private static readonly Option<bool> Json = new("--json") { Description = "Results as JSON on standard output, for machines.", Recursive = true };

    private static readonly Option<bool> Verbose = new("--verbose") { Description = "Log everything to standard error.", Recursive = true };

    public static void AddTo(RootCommand root)
    {
        root.Add(Config);
        root.Add(Data);
        root.Add(Set);
        root.Add(Json);
        root.Add(Verbose);
    }

    /// <summary>All settings, checked; <paramref name="more"/> are a command's own and weaker than the user's.</summary>
    public static StreamRecOptions Read(ParseResult result, params IEnumerable<KeyValuePair<string, string?>> more)
    {
        var overrides = new Dictionary<string, string?>(more, StringComparer.OrdinalIgnoreCase);
        if (result.GetValue(Data) is { } data)
        {
            overrides["Server:DataDirectory"] = data;
        }

        foreach (var pair in result.GetValue(Set) ?? [])
        {
            var equals = pair.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0)
            {
                throw new ArgumentException($"--set {pair} is not a setting; write key=value, for example Kafka:GroupId=shop.");
            }

            overrides[pair[..equals]] = pair[(equals + 1)..];
        }

        return StreamRecOptions.Load(result.GetValue(Config), overrides);
    }

    public static bool AsJson(ParseResult result) => result.GetValue(Json);

    /// <summary>Logs go to standard error: warnings and worse, everything with --verbose.</summary>
    public static ILoggerFactory Logs(ParseResult result, LogLevel quiet = LogLevel.Warning) =>
        LoggerFactory.Create(logging => logging
            .SetMinimumLevel(result.GetValue(Verbose) ? LogLevel.Debug : quiet)
            // Four lines for each HTTP request would bury what the server itself says.
            .AddFilter("Microsoft", result.GetValue(Verbose) ? LogLevel.Debug : quiet < LogLevel.Warning ? LogLevel.Warning : quiet)
            .AddSimpleConsole(console =>
            {
                console.SingleLine = true;
                console.TimestampFormat = "HH:mm:ss ";
                console.ColorBehavior = Output.Colours ? Microsoft.Extensions.Logging.Console.LoggerColorBehavior.Default
                    : Microsoft.Extensions.Logging.Console.LoggerColorBehavior.Disabled;
            })
            .AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace));
}
