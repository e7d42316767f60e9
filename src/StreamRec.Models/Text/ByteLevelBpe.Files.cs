using StreamRec.Domain;

namespace StreamRec.Models.Text;

public sealed partial class ByteLevelBpe
{
    /// <summary>Tokens and their ids.</summary>
    internal const string VocabularyFile = "vocab.json";

    /// <summary>Pairs of tokens that merge, lowest rank first.</summary>
    internal const string MergesFile = "merges.txt";

    /// <summary>Added tokens and their ids; absent where there are none.</summary>
    internal const string AddedFile = "added_tokens.json";

    /// <summary>Reads <c>vocab.json</c>, <c>merges.txt</c> and, where it is there, <c>added_tokens.json</c>.</summary>
    /// <exception cref="InvalidDataException">They are no vocabulary for these settings; the message names file, place and what to do.</exception>
    /// <exception cref="IOException">A file is missing or cannot be read.</exception>
    public static ByteLevelBpe Load(string directory, ByteLevelBpeSettings settings)
    {
        var vocabulary = Path.Combine(directory, VocabularyFile);
        var ids = TokenFiles.ReadIds(vocabulary, firstId: 0);
        var special = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var token in settings.SpecialTokens)
        {
            special[token] = ids.TryGetValue(token, out var id)
                ? id
                : throw new InvalidDataException($"{vocabulary} has no token '{token}', which the settings name; give the settings of this vocabulary.");
        }

        var tokens = TokenFiles.ReadBytes(vocabulary, ids, special);
        var bpe = new ByteLevelBpe(tokens, TokenFiles.ReadPairs(Path.Combine(directory, MergesFile), ids), special, settings);
        var added = Path.Combine(directory, AddedFile);
        if (!File.Exists(added))
        {
            return bpe;
        }

        try
        {
            return bpe.WithAddedTokens(TokenFiles.ReadIds(added, ids.Count).OrderBy(one => one.Value).Select(one => one.Key));
        }
        catch (ArgumentException exception)
        {
            throw new InvalidDataException($"{added}: {exception.Message}", exception);
        }
    }

    /// <summary>Writes the files that <see cref="Load"/> reads, and flushes them.</summary>
    /// <remarks>What the settings say is not in them: keep the settings where the directory is named.</remarks>
    public void Save(string directory)
    {
        Directory.CreateDirectory(directory);
        var tokens = new string[_baseSize];
        for (var id = 0; id < _baseSize; id++)
        {
            tokens[id] = ByteAlphabet.Write(_tokens[id]);
        }

        foreach (var (token, id) in _textTokens.Ids.Where(one => one.Value < _baseSize))
        {
            tokens[id] = token;
        }

        TokenFiles.WriteIds(Path.Combine(directory, VocabularyFile), tokens, firstId: 0);
        TokenFiles.WritePairs(Path.Combine(directory, MergesFile), _pairs.Select(pair => (tokens[pair.Left], tokens[pair.Right])));
        var added = Path.Combine(directory, AddedFile);
        File.Delete(added);
        if (_added.Count > 0)
        {
            TokenFiles.WriteIds(added, _added, _baseSize);
        }

        Durable.FlushDirectory(directory);
    }
}
