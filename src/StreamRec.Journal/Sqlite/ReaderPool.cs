using System.Collections.Concurrent;
using Microsoft.Data.Sqlite;

namespace StreamRec.Journal.Sqlite;

/// <summary>A few reading connections, opened when first needed, each used by one borrower at a time on the thread pool.</summary>
internal sealed class ReaderPool(string path) : IAsyncDisposable
{
    // Readers beyond the cores would only compete for the same cached pages.
    private const int MaxReaders = 4;

    private readonly SemaphoreSlim _free = new(MaxReaders);
    private readonly ConcurrentBag<SqliteReader> _idle = [];

    public async Task<TResult> ReadAsync<TResult>(Func<SqliteReader, TResult> read, CancellationToken cancellationToken)
    {
        await _free.WaitAsync(cancellationToken);
        try
        {
            return await Task.Run(() => Read(read), cancellationToken);
        }
        finally
        {
            _free.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        // Taking every place waits for the borrowers that are still reading.
        for (var place = 0; place < MaxReaders; place++)
        {
            await _free.WaitAsync();
        }

        while (_idle.TryTake(out var reader))
        {
            reader.Dispose();
        }

        _free.Dispose();
    }

    private TResult Read<TResult>(Func<SqliteReader, TResult> read)
    {
        SqliteReader? reader = null;
        try
        {
            return read(reader = _idle.TryTake(out var idle) ? idle : new SqliteReader(path));
        }
        catch (SqliteException failure)
        {
            throw new IOException($"Journal {path} cannot be read: {failure.Message}", failure);
        }
        finally
        {
            if (reader is not null)
            {
                _idle.Add(reader);
            }
        }
    }
}
