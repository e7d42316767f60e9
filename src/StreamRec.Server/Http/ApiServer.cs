using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using StreamRec.Domain;
using StreamRec.Inference;

namespace StreamRec.Server.Http;

/// <summary>The HTTP interface on loopback: lists, users, models, health, figures.</summary>
/// <remarks>
/// Bound to 127.0.0.1 and to no other address. Whatever changes something needs the token of <see cref="ServerAddress"/>, so that neither a web page
/// nor another user of the machine can do it. Failures are RFC 9457 problems.
/// </remarks>
public sealed class ApiServer : IAsyncDisposable
{
    /// <summary>On the answer to <c>POST /interactions</c>: the journal's newest position.</summary>
    public const string PositionHeader = "StreamRec-Position";

    private const int MaxK = 1000;
    private const int MaxAudit = 100_000;

    // A request holds a few KB and one place of a shard; connections beyond these are idle ones.
    private const int MaxRequests = 256;
    private const int MaxConnections = 1024;

    private readonly WebApplication _app;
    private readonly string _dataDirectory;

    private ApiServer(WebApplication app, string dataDirectory, ServerAddress address)
    {
        _app = app;
        _dataDirectory = dataDirectory;
        Address = address;
    }

    /// <summary>Where it listens.</summary>
    public ServerAddress Address { get; }

    /// <summary>Every address that it listens on.</summary>
    internal IReadOnlyCollection<string> Urls => [.. _app.Urls];

    /// <summary>Starts listening and writes the address file.</summary>
    public static async Task<ApiServer> StartAsync(Pipeline pipeline, ILoggerFactory logs, CancellationToken cancellationToken)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton(logs);
        builder.Services.AddProblemDetails(problems => problems.CustomizeProblemDetails = Explain);
        builder.Services.ConfigureHttpJsonOptions(json => json.SerializerOptions.PropertyNamingPolicy = ViewJson.Options.PropertyNamingPolicy);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            // Without the section "Kestrel" of the environment, which could open further addresses.
            kestrel.Configure();
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = 1 << 20;
            kestrel.Limits.MaxConcurrentConnections = MaxConnections;
            kestrel.Listen(IPAddress.Loopback, pipeline.Options.Server.HttpPort);
        });
        var app = builder.Build();
        var token = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(24));
        app.UseExceptionHandler(new ExceptionHandlerOptions
        {
            StatusCodeSelector = StatusOf,
            // A refusal is an answer, not a fault of the server: it does not belong in the log with a stack.
            SuppressDiagnosticsCallback = context => StatusOf(context.Exception) < StatusCodes.Status500InternalServerError,
        });
        app.UseStatusCodePages();
        app.Use((context, next) => Guard(context, next, token));
        app.Use(new RequestLimit(MaxRequests).InvokeAsync);
        Map(app, pipeline);
        await app.StartAsync(cancellationToken);

        var data = pipeline.Options.Server.DataDirectory;
        var address = new ServerAddress(new Uri(app.Urls.First()), token, Environment.ProcessId, pipeline.Cluster.BootstrapServers);
        address.Write(data);
        return new ApiServer(app, data, address);
    }

    public async ValueTask DisposeAsync()
    {
        ServerAddress.Remove(_dataDirectory);
        await _app.DisposeAsync();
    }

    private static void Map(WebApplication app, Pipeline pipeline)
    {
        var catalogue = pipeline.Journal.Catalogue;
        app.MapGet("/health/live", () => Results.Text("alive"));
        app.MapGet("/health/ready", () =>
            (pipeline.Failed.IsCompleted ? pipeline.Failed.Result.Message
                : pipeline.Journal.WaitsBecause is { } reason ? $"The journal waits for its database: {reason}"
                : pipeline.Ingest.Gaps is [var gap, ..] ? gap.Message
                : null) is { } problem
                ? Results.Problem(problem, statusCode: StatusCodes.Status503ServiceUnavailable)
                : Results.Text("ready"));
        app.MapGet("/figures", () => FiguresView.Of(pipeline));
        app.MapGet("/ingest", () => IngestView.Of(pipeline.Ingest));

        app.MapGet("/recommendations/{user}", (HttpContext context, int? k, CancellationToken cancellationToken) => ForUser(context, async user =>
            k is < 1 or > MaxK
                ? Problem($"k is {k}; it must be in [1, {MaxK}].")
                : Results.Ok(ListView.Of(await pipeline.RecommendAsync(user, k ?? 10, [], cancellationToken), catalogue))));
        app.MapGet("/users/{user}", (HttpContext context, CancellationToken cancellationToken) => ForUser(context, async user =>
            await pipeline.Shards.GetUserAsync(user, cancellationToken) is { } found
                ? Results.Ok(UserView.Of(found.UserId, found.Count, found.LastTimestampMs, found.Entries.Span, catalogue))
                : Results.Problem("Nothing is known of this user.", statusCode: StatusCodes.Status404NotFound)));
        app.MapDelete("/users/{user}", (HttpContext context, CancellationToken cancellationToken) => ForUser(context, async user =>
            Results.Ok(await pipeline.ForgetAsync(user, cancellationToken))));

        // Not a GET, which anybody on this machine may send: it says everything of everybody.
        app.MapPost("/interactions", (HttpContext context, long? after, string? user, CancellationToken cancellationToken) =>
            after is < 0 ? Problem($"after is {after}; it must be 0 or a journal position.").ExecuteAsync(context)
                : user is not null && !Interaction.IsId(user) ? NoUser().ExecuteAsync(context)
                : WriteInteractionsAsync(context, pipeline.Journal, after ?? 0, user, cancellationToken));

        app.MapGet("/gaps", () => pipeline.Ingest.Gaps.Select(GapView.Of));
        app.MapPost("/gaps/accept", async (CancellationToken cancellationToken) =>
            (await pipeline.AcceptGapsAsync(cancellationToken)).Select(GapView.Of));
        app.MapGet("/audit", async (int? last, CancellationToken cancellationToken) => last is < 1 or > MaxAudit
            ? Problem($"last is {last}; it must be in [1, {MaxAudit}].")
            : Results.Ok(await pipeline.Journal.ReadAuditAsync(null, last ?? 100, cancellationToken)));

        app.MapGet("/models", () => ModelViews.List(pipeline.Registry, pipeline.Models.Serving));
        app.MapPost("/models/{family}/{version:int}/activate", (string family, int version) =>
        {
            var before = pipeline.Models.Serving;
            var target = ModelRegistry.Parse(string.Create(CultureInfo.InvariantCulture, $"{family}@{version}"));
            pipeline.Models.Activate(target);
            return new SwapView(target.ToString(), before?.ToString());
        });
        app.MapPost("/models/rollback", () =>
        {
            var before = pipeline.Models.Serving;
            return new SwapView(pipeline.Models.Rollback().ToString(), before?.ToString());
        });
        app.MapPost("/training", async (CancellationToken cancellationToken) =>
        {
            var report = await pipeline.TrainNowAsync(cancellationToken);
            return new TrainingView(report.Version?.ToString(), report.Activated, report.Reason, report.Duration.TotalSeconds);
        });
    }

    private static async Task<IResult> ForUser(HttpContext context, Func<string, Task<IResult>> answer) =>
        UserOf(context) is { } user && Interaction.IsId(user)
            ? await answer(user)
            : NoUser();

    private static IResult NoUser() => Problem($"The user id must be 1 to {Interaction.MaxIdBytes} UTF-8 bytes without control characters.");

    // JSON lines. A failure on the way breaks the connection off, so that nobody takes a part for the whole.
    private static async Task WriteInteractionsAsync(
        HttpContext context, IJournal journal, long after, string? user, CancellationToken cancellationToken)
    {
        // Whoever reads may take its time, such as a person with a pager.
        context.Features.GetRequiredFeature<IHttpMinResponseDataRateFeature>().MinDataRate = null;
        context.Response.ContentType = "application/jsonl";
        var statistics = await journal.StatisticsAsync(cancellationToken);
        context.Response.Headers[PositionHeader] = statistics.Position.ToString(CultureInfo.InvariantCulture);
        await using var writer = new StreamWriter(context.Response.Body, bufferSize: 1 << 16) { NewLine = "\n" };
        await foreach (var row in InteractionRow.ReadAsync(journal, after, user, cancellationToken))
        {
            await writer.WriteLineAsync(JsonSerializer.Serialize(row, ViewJson.Options));
        }
    }

    // From the address as it was sent: routing decodes all but %2F, so that it takes a/b and a%2Fb for the same user.
    private static string? UserOf(HttpContext context)
    {
        var path = context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget.Split('?')[0].TrimEnd('/');
        var segment = Encoding.UTF8.GetBytes(path[(path.LastIndexOf('/') + 1)..].Replace("+", "%2B", StringComparison.Ordinal));
        var decoded = WebUtility.UrlDecodeToBytes(segment, 0, segment.Length);
        return Utf8.IsValid(decoded) ? Encoding.UTF8.GetString(decoded) : null;
    }

    // A page of another site cannot read the token file, and a rebound host name is not one of ours.
    private static Task Guard(HttpContext context, RequestDelegate next, string token)
    {
        if (context.Request.Host.Host is not ("127.0.0.1" or "localhost"))
        {
            return Results.Problem("The host name is not this server's; use 127.0.0.1.", statusCode: StatusCodes.Status421MisdirectedRequest)
                .ExecuteAsync(context);
        }

        if (!HttpMethods.IsGet(context.Request.Method) && !HasToken(context.Request, token))
        {
            return Results.Problem(
                    "This needs the header 'Authorization: Bearer <token>' with the token of server.json in the data directory.",
                    statusCode: StatusCodes.Status401Unauthorized)
                .ExecuteAsync(context);
        }

        return next(context);
    }

    private static bool HasToken(HttpRequest request, string token) =>
        CryptographicOperations.FixedTimeEquals(
            Encoding.UTF8.GetBytes(request.Headers.Authorization.ToString()), Encoding.UTF8.GetBytes($"Bearer {token}"));

    // What the caller can mend is said; anything else is in the log only.
    private static void Explain(ProblemDetailsContext context)
    {
        if (context.Exception is CheckpointRejectedException or ArgumentException)
        {
            context.ProblemDetails.Detail = context.Exception.Message;
        }
    }

    private static int StatusOf(Exception exception) => exception switch
    {
        CheckpointRejectedException => StatusCodes.Status409Conflict,
        ArgumentException => StatusCodes.Status400BadRequest,
        _ => StatusCodes.Status500InternalServerError,
    };

    private static IResult Problem(string detail) => Results.Problem(detail, statusCode: StatusCodes.Status400BadRequest);
}
