using Microsoft.Extensions.Logging;
using StreamRec.Domain;
using StreamRec.Inference;
using StreamRec.Journal;
using StreamRec.Server;

namespace StreamRec.Cli;

/// <summary>A data directory on which no server runs: its journal and its checkpoints, opened by a command.</summary>
internal sealed class OfflineData : IAsyncDisposable
{
    private OfflineData(IJournal journal, ModelRegistry registry, ModelControl models)
    {
        Journal = journal;
        Registry = registry;
        Models = models;
    }

    public IJournal Journal { get; }

    public ModelRegistry Registry { get; }

    public ModelControl Models { get; }

    /// <exception cref="Journal.JournalInUseException">A server or another command has the data.</exception>
    public static async Task<OfflineData> OpenAsync(StreamRecOptions options, ILoggerFactory logs, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(options.Server.DataDirectory);
        var journal = await SegmentJournal.OpenAsync(options.Journal, TimeProvider.System, logs.CreateLogger<SegmentJournal>(), cancellationToken);
        var registry = new ModelRegistry(options.ModelsDirectory, logs.CreateLogger<ModelRegistry>());
        return new OfflineData(
            journal, registry, new ModelControl(registry, Pipeline.Families, Pipeline.ContextAtRest(options, journal.Catalogue), logs.CreateLogger<ModelControl>()));
    }

    /// <summary>A user's state as a server would have it: what was saved, and what the journal has had since; null when nothing is known.</summary>
    public async Task<BehaviorSequence?> FindUserAsync(string userId, int maxSequence, CancellationToken cancellationToken)
    {
        var state = (await Journal.LoadUsersAsync([userId], cancellationToken))[0] ?? new BehaviorSequence(userId);
        await foreach (var stored in Journal.ReadAsync(state.Position, null, cancellationToken))
        {
            var users = stored.Segment.Users;
            var user = users.Count - 1;
            while (user >= 0 && users[user] != userId)
            {
                user--;
            }

            foreach (var entry in stored.Segment.Entries)
            {
                if (entry.User == user)
                {
                    state.Apply(entry.Item, entry.Type, entry.TimestampMs, entry.EventId, maxSequence);
                }
            }
        }

        return state.Count > 0 ? state : null;
    }

    public async ValueTask DisposeAsync()
    {
        Models.Dispose();
        await Journal.DisposeAsync();
    }
}
