using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using StreamRec.Domain;

namespace StreamRec.Models.Text;

/// <summary>The files of a byte-level vocabulary, as the field writes them; what is wrong in one is reported with file and place.</summary>
internal static class TokenFiles
{
    private const string Header = "#version: 0.2";
    private const string TakeAgain = "take the file again from where it was published";

    /// <summary>Reads a JSON object of tokens and ids.</summary>
    /// <param name="path">The file.</param>
    /// <param name="firstId">Its ids run from here without a hole.</param>
    /// <exception cref="InvalidDataException">It is something else; the message names the place.</exception>
    public static Dictionary<string, int> ReadIds(string path, int firstId)
    {
        var json = File.ReadAllBytes(path);
        var reader = new Utf8JsonReader(json.AsSpan().StartsWith("\uFEFF"u8) ? json.AsSpan(3) : json);
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        var tokens = new Dictionary<int, string>();
        try
        {
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            {
                throw Invalid(path, json, reader.TokenStartIndex, "is no JSON object of tokens and ids");
            }

            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var token = reader.GetString()!;
                if (!reader.Read() || reader.TokenType != JsonTokenType.Number || !reader.TryGetInt32(out var id) || id < firstId)
                {
                    throw Invalid(path, json, reader.TokenStartIndex, $"'{token}' has no id of {firstId} or more");
                }

                if (!ids.TryAdd(token, id))
                {
                    throw Invalid(path, json, reader.TokenStartIndex, $"'{token}' is there twice, with ids {ids[token]} and {id}");
                }

                if (!tokens.TryAdd(id, token))
                {
                    throw Invalid(path, json, reader.TokenStartIndex, $"'{tokens[id]}' and '{token}' both have id {id}");
                }
            }

            // What follows the object is read as well, so that it is noticed.
            while (reader.Read())
            {
            }
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            throw Invalid(path, json, reader.BytesConsumed, $"is no JSON ({exception.Message})", exception);
        }

        for (var id = firstId; id < firstId + ids.Count; id++)
        {
            if (!tokens.ContainsKey(id))
            {
                throw new InvalidDataException(
                    $"{path}: no token has id {id}, yet there are {ids.Count} with ids up to {tokens.Keys.Max()}; ids have no holes: {TakeAgain}.");
            }
        }

        return ids;
    }

    /// <summary>The bytes of every token: those of a special one are its text, of any other what its characters stand for.</summary>
    /// <exception cref="InvalidDataException">A token is not spelled with the byte characters, or a byte has no token.</exception>
    public static TokenBytes ReadBytes(string path, Dictionary<string, int> ids, IReadOnlyDictionary<string, int> special)
    {
        var result = new TokenBytes();
        var single = new bool[256];
        foreach (var (token, id) in ids.OrderBy(one => one.Value))
        {
            if (special.ContainsKey(token))
            {
                result.Add(Encoding.UTF8.GetBytes(token));
                continue;
            }

            if (!ByteAlphabet.TryRead(token, out var bytes) || bytes.Length == 0)
            {
                throw new InvalidDataException(
                    $"{path}: token {id}, '{token}', is not spelled with the characters for bytes; it is of another kind of vocabulary, or a special token that the settings have to name.");
            }

            single[bytes[0]] |= bytes.Length == 1;
            result.Add(bytes);
        }

        var missing = Array.IndexOf(single, false);
        return missing < 0 ? result : throw new InvalidDataException(
            $"{path}: no token stands for byte 0x{missing:X2} alone ('{ByteAlphabet.Write([(byte)missing])}'), so some text had no spelling; {TakeAgain}.");
    }

    /// <summary>Reads the pairs that merge.</summary>
    /// <exception cref="InvalidDataException">A line is no pair of tokens, is there twice, or makes no token; the message names it.</exception>
    public static List<(int Left, int Right, int Merged)> ReadPairs(string path, Dictionary<string, int> ids)
    {
        var pairs = new List<(int Left, int Right, int Merged)>();
        var known = new Dictionary<(int, int), int>();
        var number = 0;
        foreach (var line in File.ReadLines(path))
        {
            number++;
            if (line.Length == 0 || (number == 1 && line.StartsWith("#version", StringComparison.Ordinal)))
            {
                continue;
            }

            var space = line.IndexOf(' ');
            if (space <= 0 || space == line.Length - 1 || space != line.LastIndexOf(' '))
            {
                throw InvalidLine($"is '{line}', not two tokens with one space between");
            }

            var (left, right) = (IdOf(line[..space]), IdOf(line[(space + 1)..]));
            var merged = IdOf(line.Remove(space, 1));
            if (!known.TryAdd((left, right), number))
            {
                throw InvalidLine($"is '{line}', which line {known[(left, right)]} is already");
            }

            pairs.Add((left, right, merged));

            int IdOf(string token) => ids.TryGetValue(token, out var id) ? id : throw InvalidLine($"needs a token '{token}', which the vocabulary has not");
        }

        return pairs;

        InvalidDataException InvalidLine(string what) => new($"{path}, line {number}: {what}; take {Path.GetFileName(path)} and the vocabulary from the same place.");
    }

    /// <summary>Writes tokens with consecutive ids, and flushes the file.</summary>
    public static void WriteIds(string path, IReadOnlyList<string> tokens, int firstId)
    {
        using (var stream = File.Create(path))
        using (var writer = new Utf8JsonWriter(stream, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            writer.WriteStartObject();
            for (var i = 0; i < tokens.Count; i++)
            {
                writer.WriteNumber(tokens[i], firstId + i);
            }

            writer.WriteEndObject();
        }

        Durable.FlushFile(path);
    }

    /// <summary>Writes pairs, lowest rank first, and flushes the file.</summary>
    public static void WritePairs(string path, IEnumerable<(string Left, string Right)> pairs)
    {
        using (var writer = new StreamWriter(path))
        {
            writer.Write(Header + "\n");
            foreach (var (left, right) in pairs)
            {
                writer.Write($"{left} {right}\n");
            }
        }

        Durable.FlushFile(path);
    }

    private static InvalidDataException Invalid(string path, ReadOnlySpan<byte> json, long at, string what, Exception? inner = null)
    {
        var line = json[..(int)Math.Min(at, json.Length)].Count((byte)'\n') + 1;
        return new InvalidDataException($"{path}, line {line}, byte {at}: {what}; {TakeAgain}.", inner);
    }
}
