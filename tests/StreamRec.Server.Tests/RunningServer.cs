using System.Net.Http.Headers;
using Microsoft.Extensions.Logging.Abstractions;
using StreamRec.Domain;
using StreamRec.Journal;
using StreamRec.Kafka;
using StreamRec.Server.Http;
using StreamRec.Training;

namespace StreamRec.Server.Tests;

/// <summary>A server in this process: embedded broker, data directory of its own, a few users, no training.</summary>
public sealed class RunningServer : IAsyncLifetime
{
    /// <summary>Ids that are legal and awkward in an address.</summary>
    public static readonly string[] Users = ["anna", "anna/ben", "50%", "a%2Fb", "a+b c", "größe-漢-🎈", "x?k=0#y", "..%2f"];

    /// <summary>Two that are easily taken for each other; tests may forget them.</summary>
    public static readonly string[] Forgettable = ["forget/me", "forget%2Fme"];

    private const string Endpoint = "ASPNETCORE_Kestrel__Endpoints__Everywhere__Url";

    private readonly string _data = Directory.CreateTempSubdirectory("streamrec-server-").FullName;
    private ApiServer? _api;

    public Pipeline Pipeline { get; private set; } = null!;

    public ServerAddress Address => _api!.Address;

    /// <summary>Every address that is listened on.</summary>
    public IReadOnlyCollection<string> Urls => _api!.Urls;

    /// <summary>Without a token.</summary>
    public HttpClient Anonymous { get; private set; } = null!;

    /// <summary>With the token.</summary>
    public HttpClient Owner { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        var options = new StreamRecOptions
        {
            Server = new ServerOptions { DataDirectory = _data, HttpPort = 0 },
            Journal = new JournalOptions { Path = Path.Combine(_data, "journal.db") },
            Kafka = new KafkaOptions { Partitions = 1 },
            Training = new TrainingOptions { Mode = TrainingMode.Off },
        };
        await SeedAsync(options.Journal);
        Pipeline = await Pipeline.StartAsync(options, TimeProvider.System, NullLoggerFactory.Instance, CancellationToken.None);
        // Somebody's settings for another web program must not open this one to the network.
        var before = Environment.GetEnvironmentVariable(Endpoint);
        Environment.SetEnvironmentVariable(Endpoint, "http://0.0.0.0:0");
        try
        {
            _api = await ApiServer.StartAsync(Pipeline, NullLoggerFactory.Instance, CancellationToken.None);
        }
        finally
        {
            Environment.SetEnvironmentVariable(Endpoint, before);
        }

        Anonymous = new HttpClient { BaseAddress = Address.Url };
        Owner = new HttpClient { BaseAddress = Address.Url };
        Owner.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Address.Token);
    }

    public async ValueTask DisposeAsync()
    {
        Anonymous?.Dispose();
        Owner?.Dispose();
        if (_api is not null)
        {
            await _api.DisposeAsync();
        }

        if (Pipeline is not null)
        {
            await Pipeline.DisposeAsync();
        }

        Directory.Delete(_data, recursive: true);
    }

    // Everybody has had the items i0 and i1, the first user also i2.
    private static async Task SeedAsync(JournalOptions options)
    {
        await using var journal = await SegmentJournal.OpenAsync(
            options, JournalAccess.Exclusive, TimeProvider.System, NullLogger<SegmentJournal>.Instance, CancellationToken.None);
        await journal.AddItemsAsync([.. Enumerable.Range(0, 40).Select(i => $"i{i}")], CancellationToken.None);
        var source = new SourcePartition("seed", "seed", 0);
        var lease = await journal.AcquireAsync(source, CancellationToken.None);
        string[] users = [.. Users, .. Forgettable];
        var entries = Enumerable.Range(0, users.Length)
            .SelectMany(user => Enumerable.Range(0, user == 0 ? 3 : 2).Select(item => (user, item)))
            .Select((e, offset) => new SegmentEntry(e.user, e.item, InteractionType.Click, offset, 1000 + offset, double.NaN, null))
            .ToList();
        var position = await journal.AppendAsync(
            lease, new Segment(0, entries.Count, entries.Count, users, entries), CancellationToken.None);
        var states = users.Select((id, user) =>
        {
            var state = new BehaviorSequence(id) { Position = position };
            foreach (var entry in entries.Where(entry => entry.User == user))
            {
                state.Apply(entry.Item, entry.Type, entry.TimestampMs, entry.EventId, 1024);
            }

            return state;
        }).ToList();
        await journal.SaveUsersAsync(lease, states, position, entries.Count, CancellationToken.None);
    }
}
