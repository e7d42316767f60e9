using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using StreamRec.Domain;

namespace StreamRec.Training.Experiments;

/// <summary>What an experiment is made on: histories that nothing adds to.</summary>
/// <param name="Name">As people see it, for example <c>Beauty</c>.</param>
/// <param name="Catalogue">Item numbers.</param>
/// <param name="Histories">Everybody's items in order.</param>
public sealed record ExperimentData(string Name, Catalogue Catalogue, Histories Histories)
{
    private string? _hash;

    /// <summary>SHA-256 of all users and items in order: two files with the same content are the same data.</summary>
    public string Hash => _hash ??= ComputeHash();

    /// <summary>Reads a file of sequences: a line is <c>userId item1 item2 …</c>, oldest first; plain or gzip.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">A line is not a sequence, a user has two, or the file is not whole; the message names the line.</exception>
    public static ExperimentData Read(string path)
    {
        if (!File.Exists(path))
        {
            throw new FileNotFoundException($"There is no file '{path}'.", path);
        }

        var catalogue = new Catalogue();
        var users = new List<UserHistory>();
        try
        {
            ReadRows(path, catalogue, users);
        }
        catch (Exception exception) when (exception is DecoderFallbackException or InvalidDataException)
        {
            throw new InvalidDataException($"'{path}': {exception.Message}", exception);
        }

        return new ExperimentData(Path.GetFileName(path).Split('.')[0], catalogue, new Histories(users, []));
    }

    private static void ReadRows(string path, Catalogue catalogue, List<UserHistory> users)
    {
        using var reader = new StreamReader(CompressedFile.OpenRead(path), new UTF8Encoding(false, throwOnInvalidBytes: true));
        var known = new HashSet<string>(StringComparer.Ordinal);
        var number = 0;
        while (reader.ReadLine() is { } line)
        {
            number++;
            var words = line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            if (words.Length == 0)
            {
                continue;
            }

            if (words.Length == 1 || !known.Add(words[0]))
            {
                throw new InvalidDataException(
                    $"row {number}: {(words.Length == 1 ? "there are no items" : "the user has a row already")}; a row is 'userId item1 item2 …'.");
            }

            users.Add(new UserHistory(words[0], [.. words.Skip(1).Select(catalogue.Add)]));
        }
    }

    private string ComputeHash()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (var item = 0; item < Catalogue.Count; item++)
        {
            Add(Catalogue[item].Id);
        }

        foreach (var user in Histories.Users)
        {
            Add(user.UserId);
            hash.AppendData(BitConverter.GetBytes(user.Items.Length));
            hash.AppendData(MemoryMarshal.AsBytes<int>(user.Items));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());

        void Add(string text) => hash.AppendData(Encoding.UTF8.GetBytes(text + "\n"));
    }
}
