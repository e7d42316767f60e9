using Microsoft.Extensions.Logging;
using Npgsql;

namespace StreamRec.Journal.Postgres;

/// <summary>Connections to one database: set up the way the journal needs them, and waited for while the database is away.</summary>
/// <remarks>Threading: every member from any thread.</remarks>
internal sealed class PostgresDatabase : IAsyncDisposable
{
    private const string DefaultSchema = "streamrec";

    // Of readers; more would only compete for the database's cores. The writer has one of its own.
    private const int MaxConnections = 8;

    // Whoever freezes, loses its network or is killed in the middle of a transaction holds up all other nodes until the server ends it:
    // idle between two round trips, or not heard of any more. Compiling a statement takes longer than any of ours runs.
    private const string SessionOptions =
        "-c idle_in_transaction_session_timeout=5000 -c tcp_keepalives_idle=5 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=5 "
        + "-c tcp_user_timeout=10000 -c jit=off -c client_min_messages=warning -c default_transaction_isolation=read\\ committed";

    // Acknowledged is durable, whatever the server's default is; and a transaction that is neither idle nor ends (17 and newer).
    private const string SetUp =
        "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'; "
        + "SELECT set_config('transaction_timeout', '120s', false) WHERE current_setting('server_version_num')::int >= 170000";

    // One number of our own and one of the schema.
    private const int AccessLock = 0x53_54_52_45;

    // A process that was killed may have the lock for as long as the server has not heard that its connection is gone.
    private static readonly TimeSpan FormerOwnerTimeout = TimeSpan.FromSeconds(15);

    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);

    private readonly NpgsqlDataSource _source;
    private readonly NpgsqlDataSource _writerSource;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private string? _lastFailure;
    private int _waiting;

    public PostgresDatabase(JournalOptions options, JournalAccess access, TimeProvider time, ILogger logger)
    {
        Access = access;
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
        _source = Build(settings);
        // Its session holds the lock: closed means closed.
        settings.Pooling = false;
        _writerSource = Build(settings);

        static NpgsqlDataSource Build(NpgsqlConnectionStringBuilder settings)
        {
            var builder = new NpgsqlDataSourceBuilder(settings.ToString());
            builder.UsePhysicalConnectionInitializer(
                connection => Sql.Run(connection, SetUp), async connection => await Sql.RunAsync(connection, SetUp, CancellationToken.None));
            return builder.Build();
        }
    }

    public JournalAccess Access { get; }

    /// <summary>Where it is, without the password.</summary>
    public string Name { get; }

    public string Schema { get; }

    public string User { get; }

    /// <summary>Why a reader waits, null while none does.</summary>
    public string? WaitsBecause => Volatile.Read(ref _waiting) > 0 ? Volatile.Read(ref _lastFailure) : null;

    /// <summary>A connection of its own for the writer, with the lock that says who else may write.</summary>
    /// <exception cref="JournalInUseException">Another process has the journal, and one of the two wants it alone.</exception>
    public NpgsqlConnection OpenWriter()
    {
        var connection = _writerSource.OpenConnection();
        try
        {
            var function = Access == JournalAccess.Exclusive ? "pg_try_advisory_lock" : "pg_try_advisory_lock_shared";
            using var command = Sql.Command(connection, $"SELECT {function}($1, hashtext($2))", AccessLock, Schema);
            return (bool)command.ExecuteScalar()!
                ? connection
                : throw new JournalInUseException(Access == JournalAccess.Exclusive
                    ? $"Journal {Name} is in use by other processes. Stop them (pg_stat_activity names them), or ask one of them instead."
                    : $"Journal {Name} is in use by a process that needs it alone, such as an import. Wait for its end.");
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <summary><see cref="OpenWriter"/> of a journal that is being opened: waits for the database, and a while for the lock.</summary>
    public async Task<NpgsqlConnection> OpenFirstWriterAsync(CancellationToken cancellationToken)
    {
        for (var started = _time.GetTimestamp(); ; await Task.Delay(FirstPause, _time, cancellationToken))
        {
            try
            {
                return await WaitOutAsync(_ => Task.Run(OpenWriter, CancellationToken.None), cancellationToken);
            }
            catch (JournalInUseException) when (_time.GetElapsedTime(started) < FormerOwnerTimeout)
            {
                // Asked again.
            }
        }
    }

    /// <summary>Reads or changes in one go, again and again while the database is away: what it does may be done twice.</summary>
    /// <exception cref="PostgresException">The database answers, and the answer is no.</exception>
    public Task<TResult> RunAsync<TResult>(
        Func<NpgsqlConnection, CancellationToken, Task<TResult>> work, CancellationToken cancellationToken) =>
        WaitOutAsync(
            async cancellation =>
            {
                await using var connection = await _source.OpenConnectionAsync(cancellation);
                return await work(connection, cancellation);
            },
            cancellationToken);

    private async Task<TResult> WaitOutAsync<TResult>(Func<CancellationToken, Task<TResult>> work, CancellationToken cancellationToken)
    {
        var waits = false;
        try
        {
            for (var pause = FirstPause; ; pause = 2 * pause < LongestPause ? 2 * pause : LongestPause)
            {
                try
                {
                    return await work(cancellationToken);
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

    public async ValueTask DisposeAsync()
    {
        await _source.DisposeAsync();
        await _writerSource.DisposeAsync();
    }
}
