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

    /// <param name="options">Settings.</param>
    /// <param name="access">Exclusive for what changes the journal: servers that share it would not hear of that.</param>
    /// <param name="logs">Logs.</param>
    /// <param name="cancellationToken">Gives up waiting.</param>
    /// <exception cref="JournalInUseException">A server or another command has the data.</exception>
    public static async Task<OfflineData> OpenAsync(
        StreamRecOptions options, JournalAccess access, ILoggerFactory logs, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(options.Server.DataDirectory);
        var journal = await SegmentJournal.OpenAsync(options.Journal, access, TimeProvider.System, logs.CreateLogger<SegmentJournal>(), cancellationToken);
        var registry = new ModelRegistry(options.ModelsDirectory, logs.CreateLogger<ModelRegistry>());
        return new OfflineData(
            journal, registry, new ModelControl(registry, Pipeline.Families, Pipeline.ContextAtRest(options, journal.Catalogue), logs.CreateLogger<ModelControl>()));
    }

    public async ValueTask DisposeAsync()
    {
        Models.Dispose();
        await Journal.DisposeAsync();
    }
}
