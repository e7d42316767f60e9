using System.Globalization;
using System.Text;
using StreamRec.Domain;

namespace StreamRec.Models.Checkpoints;

/// <summary>The ids that a model has rows for: row i + 1 belongs to the i-th id, row 0 is padding or the cold row.</summary>
/// <remarks>Stored as text, row and id with a tab between, in row order: ids hold no control characters, so nothing needs escaping.</remarks>
public sealed class Vocabulary
{
    private readonly Dictionary<string, int> _rows;

    /// <param name="ids">Distinct ids in row order.</param>
    /// <exception cref="ArgumentException">An id occurs twice.</exception>
    public Vocabulary(IReadOnlyList<string> ids)
    {
        Ids = ids;
        _rows = new Dictionary<string, int>(ids.Count, StringComparer.Ordinal);
        for (var i = 0; i < ids.Count; i++)
        {
            if (!_rows.TryAdd(ids[i], i + 1))
            {
                throw new ArgumentException($"'{ids[i]}' occurs twice, in lines {_rows[ids[i]]} and {i + 1}.", nameof(ids));
            }
        }
    }

    /// <summary>A parent's ids in its rows, then those that it does not have.</summary>
    /// <param name="parent">Null where there is none.</param>
    /// <param name="ids">Distinct.</param>
    public static Vocabulary Grow(Vocabulary? parent, IEnumerable<string> ids) =>
        parent is null ? new Vocabulary([.. ids]) : new Vocabulary([.. parent.Ids, .. ids.Where(id => parent.RowOf(id) == 0)]);

    /// <summary>Ids in row order.</summary>
    public IReadOnlyList<string> Ids { get; }

    /// <summary>Rows of a table, row 0 included.</summary>
    public int Rows => Ids.Count + 1;

    /// <summary>The row of an id, or 0.</summary>
    public int RowOf(string id) => _rows.GetValueOrDefault(id);

    /// <summary>Reads a vocabulary file.</summary>
    /// <exception cref="CheckpointRejectedException">The file is not UTF-8, or a line is not the next row with its id.</exception>
    public static Vocabulary Read(string path)
    {
        try
        {
            var lines = File.ReadAllLines(path, new UTF8Encoding(false, throwOnInvalidBytes: true));
            for (var i = 0; i < lines.Length; i++)
            {
                var tab = lines[i].IndexOf('\t');
                if (tab <= 0 || tab == lines[i].Length - 1
                    || !int.TryParse(lines[i].AsSpan(0, tab), NumberStyles.None, CultureInfo.InvariantCulture, out var row)
                    || row != i + 1)
                {
                    throw new CheckpointRejectedException($"{Path.GetFileName(path)}: line {i + 1} is not '{i + 1}<tab>id'");
                }

                lines[i] = lines[i][(tab + 1)..];
            }

            return new Vocabulary(lines);
        }
        catch (Exception exception) when (exception is ArgumentException or DecoderFallbackException)
        {
            throw new CheckpointRejectedException($"{Path.GetFileName(path)}: {exception.Message}", exception);
        }
    }

    /// <summary>Writes the vocabulary file.</summary>
    public void Write(string path)
    {
        using var writer = new StreamWriter(path);
        for (var i = 0; i < Ids.Count; i++)
        {
            writer.Write(string.Create(CultureInfo.InvariantCulture, $"{i + 1}\t{Ids[i]}\n"));
        }
    }
}
