using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging;
using StreamRec.Domain;

namespace StreamRec.Inference;

/// <summary>The checkpoint directory: immutable versions, and aliases that point at them.</summary>
/// <remarks>
/// Layout: <c>&lt;root&gt;/&lt;family&gt;/&lt;version&gt;/manifest.json</c> beside the files that it names, and <c>&lt;root&gt;/aliases.json</c>.
/// Publishing writes a temporary directory, flushes every file, renames it and flushes the parent: a crash leaves all or nothing.
/// Versions are named by id only, never by a path; nothing outside the root is opened, and no link is followed.
/// Threading: every member from any thread; several processes may publish at once, each version number is given once.
/// </remarks>
public sealed partial class ModelRegistry(string root, ILogger<ModelRegistry> log)
{
    /// <summary>A manifest is a few kilobytes; a larger file is not one.</summary>
    private const long MaxManifestBytes = 16 << 20;

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true, RespectNullableAnnotations = true };

    private readonly Lock _gate = new();

    /// <summary>The directory that holds all versions.</summary>
    public string Root { get; } = Path.GetFullPath(root);

    /// <summary>Reads <c>family@version</c> or <c>family/version</c>.</summary>
    /// <exception cref="ArgumentException">The text is neither.</exception>
    public static ModelVersion Parse(string text)
    {
        var match = VersionPattern().Match(text);
        return match.Success
            ? new ModelVersion(match.Groups[1].Value, int.Parse(match.Groups[2].Value, CultureInfo.InvariantCulture))
            : throw new ArgumentException($"'{text}' is not a model version; write family@number, for example recgpt@3.");
    }

    /// <summary>All published versions, by family and number.</summary>
    public IReadOnlyList<ModelVersion> List()
    {
        if (!Directory.Exists(Root))
        {
            return [];
        }

        return
        [
            .. from family in Directory.EnumerateDirectories(Root)
               where FamilyPattern().IsMatch(Path.GetFileName(family))
               from version in Directory.EnumerateDirectories(family)
               let number = NumberOf(version)
               where number > 0 && File.Exists(Path.Combine(version, "manifest.json"))
               orderby family, number
               select new ModelVersion(Path.GetFileName(family), number),
        ];
    }

    /// <summary>What the aliases point at.</summary>
    public ModelAliases ReadAliases()
    {
        var path = Path.Combine(Root, "aliases.json");
        if (!File.Exists(path))
        {
            return new ModelAliases(null, null);
        }

        try
        {
            return JsonSerializer.Deserialize<ModelAliases>(File.ReadAllBytes(path), Json)
                ?? throw new JsonException("the file holds null");
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException(
                $"{path} cannot be read ({exception.Message}); restore it or delete it and run 'streamrec models activate <version>'.", exception);
        }
    }

    /// <summary>Points the aliases elsewhere, atomically.</summary>
    public void WriteAliases(ModelAliases aliases)
    {
        Directory.CreateDirectory(Root);
        lock (_gate)
        {
            var temporary = Path.Combine(Root, $".aliases-{Guid.NewGuid():N}");
            File.WriteAllBytes(temporary, JsonSerializer.SerializeToUtf8Bytes(aliases, Json));
            Durable.FlushFile(temporary);
            Failpoints.Hit(Failpoint.AliasesWritten);
            File.Move(temporary, Path.Combine(Root, "aliases.json"), overwrite: true);
            Durable.FlushDirectory(Root);
            Failpoints.Hit(Failpoint.AliasesPublished);
        }
    }

    /// <summary>The manifest of a version, without any check of the other files.</summary>
    /// <exception cref="CheckpointRejectedException">There is no such version, or its manifest cannot be read.</exception>
    public CheckpointManifest ReadManifest(ModelVersion version)
    {
        var directory = DirectoryOf(version);
        var path = Path.Combine(directory, "manifest.json");
        var file = new FileInfo(path);
        if (!file.Exists)
        {
            throw new CheckpointRejectedException($"{version} does not exist: there is no {path}");
        }

        if (file.Length > MaxManifestBytes || file.LinkTarget is not null)
        {
            throw new CheckpointRejectedException($"{path} is a link or larger than {MaxManifestBytes} bytes");
        }

        CheckpointManifest manifest;
        try
        {
            manifest = JsonSerializer.Deserialize<CheckpointManifest>(File.ReadAllBytes(path), Json)
                ?? throw new JsonException("the file holds null");
            if (manifest.Golden.Contains(null!) || manifest.Files.Values.Contains(null!)
                || manifest.Golden.Any(input => input.Window.Contains(null!) || input.Top.Contains(null!)))
            {
                throw new JsonException("an element of files or golden is null");
            }
        }
        catch (JsonException exception)
        {
            throw new CheckpointRejectedException($"{path} is not a manifest: {exception.Message}", exception);
        }

        if (manifest.Format != CheckpointManifest.CurrentFormat)
        {
            throw new CheckpointRejectedException(
                $"{path} has format {manifest.Format}; this program reads format {CheckpointManifest.CurrentFormat}");
        }

        if (manifest.Family != version.Family || manifest.Version != version.Version)
        {
            throw new CheckpointRejectedException($"{path} says that it is {manifest.Family}@{manifest.Version}");
        }

        return manifest;
    }

    /// <summary>Checks that every file of the manifest is there, unaltered, and inside the directory.</summary>
    /// <exception cref="CheckpointRejectedException">One is not; the message names it.</exception>
    public (string Directory, CheckpointManifest Manifest) Open(ModelVersion version)
    {
        var manifest = ReadManifest(version);
        var directory = DirectoryOf(version);
        foreach (var (name, expected) in manifest.Files)
        {
            if (!FileNamePattern().IsMatch(name))
            {
                throw new CheckpointRejectedException($"{version}: the manifest names '{Printable(name)}', which is not a plain file name, of the directory or of one folder in it");
            }

            if (Path.GetDirectoryName(name) is { Length: > 0 } folder && new DirectoryInfo(Path.Combine(directory, folder)).LinkTarget is not null)
            {
                throw new CheckpointRejectedException($"{version}: {folder} is a link; checkpoints hold plain files only");
            }

            var file = new FileInfo(Path.Combine(directory, name));
            if (!file.Exists)
            {
                throw new CheckpointRejectedException($"{version}: {name} is missing");
            }

            if (file.LinkTarget is not null)
            {
                throw new CheckpointRejectedException($"{version}: {name} is a link; checkpoints hold plain files only");
            }

            var actual = HashOf(file.FullName);
            if (!string.Equals(actual, expected, StringComparison.OrdinalIgnoreCase))
            {
                throw new CheckpointRejectedException($"{version}: {name} was altered: its SHA-256 is {actual}, the manifest says {expected}");
            }
        }

        return (directory, manifest);
    }

    /// <summary>Publishes a checkpoint under the family's next version.</summary>
    /// <param name="family">The family.</param>
    /// <param name="draft">Everything but version, files, configuration and golden inputs.</param>
    /// <param name="write">Writes the family's files into the directory given.</param>
    public ModelVersion Publish(string family, CheckpointManifest draft, Func<string, CheckpointContent> write)
    {
        if (!FamilyPattern().IsMatch(family))
        {
            throw new ArgumentException($"'{family}' is not a family name; it must be 1 to 64 lower-case letters, digits and hyphens.", nameof(family));
        }

        var parent = Path.Combine(Root, family);
        Directory.CreateDirectory(parent);
        var temporary = Path.Combine(parent, $".tmp-{Guid.NewGuid():N}");
        Directory.CreateDirectory(temporary);
        try
        {
            var content = write(temporary);
            var files = content.Files.ToDictionary(name => name, name => HashOf(Path.Combine(temporary, name)));
            foreach (var name in content.Files)
            {
                Durable.FlushFile(Path.Combine(temporary, name));
            }

            foreach (var folder in content.Files.Select(Path.GetDirectoryName).Where(folder => folder is { Length: > 0 }).Distinct())
            {
                Durable.FlushDirectory(Path.Combine(temporary, folder!));
            }

            // Another process may take the number first: then the rename fails and the next number is tried.
            for (var number = NextVersion(parent); ; number++)
            {
                var manifest = draft with
                {
                    Format = CheckpointManifest.CurrentFormat,
                    Family = family,
                    Version = number,
                    Config = content.Config,
                    Files = files,
                    Golden = content.Golden,
                };
                var path = Path.Combine(temporary, "manifest.json");
                File.WriteAllBytes(path, JsonSerializer.SerializeToUtf8Bytes(manifest, Json));
                Durable.FlushFile(path);
                Durable.FlushDirectory(temporary);
                Failpoints.Hit(Failpoint.CheckpointWritten);
                var final = Path.Combine(parent, number.ToString(CultureInfo.InvariantCulture));
                if (TryMove(temporary, final))
                {
                    Durable.FlushDirectory(parent);
                    Failpoints.Hit(Failpoint.CheckpointPublished);
                    var version = new ModelVersion(family, number);
                    Log.Published(log, version, final);
                    return version;
                }
            }
        }
        finally
        {
            if (Directory.Exists(temporary))
            {
                Directory.Delete(temporary, recursive: true);
            }
        }
    }

    /// <summary>Deletes old versions, keeping the newest ones of each family and whatever an alias points at.</summary>
    public void Prune(string family, int keep)
    {
        var aliases = ReadAliases();
        var versions = List().Where(v => v.Family == family).ToList();
        foreach (var version in versions.SkipLast(keep).Where(v => v.ToString() != aliases.Champion && v.ToString() != aliases.Previous))
        {
            Directory.Delete(DirectoryOf(version), recursive: true);
        }
    }

    /// <summary>Removes what a publisher that was killed left behind, once it is an hour old.</summary>
    public void RemoveAbandoned(DateTimeOffset now)
    {
        if (!Directory.Exists(Root))
        {
            return;
        }

        foreach (var family in Directory.EnumerateDirectories(Root))
        {
            foreach (var abandoned in Directory.EnumerateDirectories(family, ".tmp-*"))
            {
                if (now - Directory.GetLastWriteTimeUtc(abandoned) > TimeSpan.FromHours(1))
                {
                    Directory.Delete(abandoned, recursive: true);
                }
            }
        }
    }

    private string DirectoryOf(ModelVersion version)
    {
        if (!FamilyPattern().IsMatch(version.Family) || version.Version < 1)
        {
            throw new CheckpointRejectedException($"'{Printable(version.ToString())}' is not a model version; write family@number, for example recgpt@3");
        }

        return Path.Combine(Root, version.Family, version.Version.ToString(CultureInfo.InvariantCulture));
    }

    private static int NextVersion(string parent) =>
        Directory.EnumerateDirectories(parent).Select(NumberOf).DefaultIfEmpty(0).Max() + 1;

    private static int NumberOf(string directory) =>
        int.TryParse(Path.GetFileName(directory), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;

    private static bool TryMove(string from, string to)
    {
        if (Directory.Exists(to))
        {
            return false;
        }

        try
        {
            Directory.Move(from, to);
            return true;
        }
        catch (IOException) when (Directory.Exists(to))
        {
            return false;
        }
    }

    private static string HashOf(string path)
    {
        using var stream = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }

    private static string Printable(string text) =>
        string.Concat(text.Take(80).Select(c => char.IsControl(c) ? '?' : c));

    [GeneratedRegex("^([a-z0-9-]{1,64})[@/]([1-9][0-9]{0,8})\\z", RegexOptions.CultureInvariant)]
    private static partial Regex VersionPattern();

    [GeneratedRegex("^[a-z0-9-]{1,64}\\z", RegexOptions.CultureInvariant)]
    private static partial Regex FamilyPattern();

    [GeneratedRegex("^([A-Za-z0-9_-][A-Za-z0-9._-]{0,127}/)?[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}\\z", RegexOptions.CultureInvariant)]
    private static partial Regex FileNamePattern();
}

/// <summary>Names that move: <c>champion</c> serves, <c>previous</c> is what a rollback returns to.</summary>
/// <param name="Champion"><c>family@version</c>, or null.</param>
/// <param name="Previous"><c>family@version</c>, or null.</param>
public sealed record ModelAliases(string? Champion, string? Previous);
