using Npgsql;
using StreamRec.Domain;
using StreamRec.Journal.Packing;

namespace StreamRec.Journal.Postgres;

/// <summary>Item numbers that all nodes agree on: whoever adds reads first what others have added, with the table locked.</summary>
/// <remarks>Threading: one caller at a time, which <see cref="PostgresJournal"/> makes sure of.</remarks>
internal static class PostgresCatalogue
{
    /// <summary>Reads the numbers that the catalogue does not have yet.</summary>
    /// <exception cref="JournalCorruptException">The numbers have a gap.</exception>
    public static async Task<bool> ReadNewAsync(NpgsqlConnection connection, Catalogue catalogue, CancellationToken cancellationToken)
    {
        await using var command = Sql.Command(
            connection, "SELECT number, item_id FROM items WHERE number >= $1 ORDER BY number", catalogue.Count);
        await using var rows = await command.ExecuteReaderAsync(cancellationToken);
        while (await rows.ReadAsync(cancellationToken))
        {
            var (number, next) = (rows.GetInt32(0), catalogue.Count);
            if (catalogue.Add(PackedWriter.StrictUtf8.GetString(Sql.Bytes(rows, 1))) != number)
            {
                throw new JournalCorruptException($"Item number {number} is not the next one after {next - 1}. Restore the journal from a backup.");
            }
        }

        return true;
    }

    /// <summary>Gives the next numbers to those of the ids that nobody has added yet, as far as there is room; durable on return.</summary>
    /// <returns>The first id that there was no room for, or null.</returns>
    public static async Task<string?> AddAsync(
        NpgsqlConnection connection, Catalogue catalogue, IReadOnlyCollection<string> itemIds, int maxItems, CancellationToken cancellationToken)
    {
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await Sql.RunAsync(connection, "LOCK TABLE items IN SHARE ROW EXCLUSIVE MODE", cancellationToken);
        await ReadNewAsync(connection, catalogue, cancellationToken);
        string[] wanted = [.. itemIds.Where(id => !catalogue.TryGetNumber(id, out _))];
        string[] added = [.. wanted.Take(Math.Max(0, maxItems - catalogue.Count))];
        if (added.Length > 0)
        {
            await using var command = Sql.Command(
                connection,
                "INSERT INTO items (number, item_id) SELECT $1 + n - 1, id FROM unnest($2) WITH ORDINALITY AS new (id, n)",
                catalogue.Count, added.Select(PackedWriter.StrictUtf8.GetBytes).ToArray());
            await command.ExecuteNonQueryAsync(cancellationToken);
        }

        await transaction.CommitAsync(cancellationToken);
        foreach (var id in added)
        {
            catalogue.Add(id);
        }

        return wanted.Length > added.Length ? wanted[added.Length] : null;
    }
}
