using Microsoft.Extensions.Logging;
using Npgsql;

namespace StreamRec.Journal.Postgres;

/// <summary>Connections to one database: set up the way the journal needs them, and waited for while the database is away.</summary>
/// <remarks>Threading: every member from any thread.</remarks>
internal sealed class PostgresDatabase : IAsyncDisposable
{
    private const string DefaultSchema = "streamrec";

    // The writer has one, readers share the others: more would only compete for the database's cores.
    private const int MaxConnections = 8;

    // Whoever freezes, loses its network or is killed in the middle of a transaction holds up all other nodes until the server ends it:
    // idle between two round trips, or not heard of any more.
    private const string SessionOptions =
        "-c idle_in_transaction_session_timeout=5000 -c tcp_keepalives_idle=5 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=5 "
        + "-c tcp_user_timeout=10000 -c client_min_messages=warning -c default_transaction_isolation=read\\ committed";

    // Acknowledged is durable, whatever the server's default is; and a transaction that is neither idle nor ends (17 and newer).
    private const string SetUp =
        "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'; "
        + "SELECT set_config('transaction_timeout', '120s', false) WHERE current_setting('server_version_num')::int >= 170000";

    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);

    private readonly NpgsqlDataSource _source;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private string? _lastFailure;
    private int _waiting;

    public PostgresDatabase(JournalOptions options, TimeProvider time, ILogger logger)
    {
        _time = time;
        _logger = logger;
        var settings = new NpgsqlConnectionStringBuilder(options.ConnectionString);
        Schema = settings.SearchPath ?? DefaultSchema;
        settings.SearchPath = $"\"{Schema.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
        settings.MaxPoolSize = MaxConnections;
        settings.MaxAutoPrepare = 32;
        settings.ApplicationName ??= "streamrec";
        settings.TcpKeepAlive = true;
        settings.Multiplexing = false;
        // Nothing of ours changes a session, and a reset would take away what SetUp has set.
        settings.NoResetOnClose = true;
        settings.Options = $"{settings.Options} {SessionOptions}".Trim();
        Name = $"postgresql://{settings.Host}:{settings.Port}/{settings.Database}?schema={Schema}";
        User = settings.Username ?? Environment.UserName;
        var builder = new NpgsqlDataSourceBuilder(settings.ToString());
        builder.UsePhysicalConnectionInitializer(
            connection => Sql.Run(connection, SetUp), async connection => await Sql.RunAsync(connection, SetUp, CancellationToken.None));
        _source = builder.Build();
    }

    /// <summary>Where it is, without the password.</summary>
    public string Name { get; }

    public string Schema { get; }

    public string User { get; }

    /// <summary>Why a reader waits, null while none does.</summary>
    public string? WaitsBecause => Volatile.Read(ref _waiting) > 0 ? Volatile.Read(ref _lastFailure) : null;

    /// <summary>A connection of its own for the writer.</summary>
    public NpgsqlConnection Open() => _source.OpenConnection();

    /// <summary>Reads or changes in one go, again and again while the database is away: what it does may be done twice.</summary>
    /// <exception cref="PostgresException">The database answers, and the answer is no.</exception>
    public async Task<TResult> RunAsync<TResult>(
        Func<NpgsqlConnection, CancellationToken, Task<TResult>> work, CancellationToken cancellationToken)
    {
        var waits = false;
        try
        {
            for (var pause = FirstPause; ; pause = 2 * pause < LongestPause ? 2 * pause : LongestPause)
            {
                try
                {
                    await using var connection = await _source.OpenConnectionAsync(cancellationToken);
                    return await work(connection, cancellationToken);
                }
                catch (Exception failure) when (IsPassing(failure) && !cancellationToken.IsCancellationRequested)
                {
                    Volatile.Write(ref _lastFailure, failure.Message);
                    if (!waits && Interlocked.Increment(ref _waiting) == 1)
                    {
                        _logger.Waits(failure, Name);
                    }

                    waits = true;
                }

                await Task.Delay(pause, _time, cancellationToken);
            }
        }
        finally
        {
            if (waits && Interlocked.Decrement(ref _waiting) == 0)
            {
                _logger.GoesOn(Name);
            }
        }
    }

    /// <summary>Whether trying again may help: the connection broke, or the database is stopping, starting, or short of something.</summary>
    public static bool IsPassing(Exception failure) => failure switch
    {
        // 08 connection, 25006 read only (a failover under way), 25P03 and 25P04 ended by its time limits, 40 rollback, 53 no more disk, memory
        // or connections, 55P03 lock, 57014 cancelled from outside, 57P stopped or starting, 58030 I/O of the system under the database.
        PostgresException { SqlState: var state } => state is "25006" or "25P03" or "25P04" or "55P03" or "57014" or "58030"
            || state.StartsWith("08", StringComparison.Ordinal) || state.StartsWith("40", StringComparison.Ordinal)
            || state.StartsWith("53", StringComparison.Ordinal) || state.StartsWith("57P", StringComparison.Ordinal),
        NpgsqlException e => e.IsTransient || e.InnerException is IOException or TimeoutException,
        TimeoutException => true,
        _ => false,
    };

    public async ValueTask DisposeAsync() => await _source.DisposeAsync();
}
