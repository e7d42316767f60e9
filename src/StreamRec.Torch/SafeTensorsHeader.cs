using System.Text.Json;

namespace StreamRec.Torch;

/// <summary>Reads the JSON header of a safetensors file and believes none of it.</summary>
/// <remarks>
/// Format: 8 bytes little-endian header length N, N bytes of JSON, then the elements of all tensors without gaps
/// (https://github.com/huggingface/safetensors, section Format). Refused besides what the format forbids: element types
/// without a counterpart here.
/// </remarks>
internal static class SafeTensorsHeader
{
    /// <summary>Longest header accepted, 16 MiB: some hundred thousand tensors.</summary>
    public const int MaxBytes = 16 << 20;

    private const int MaxDimensions = 64;

    private static readonly JsonReaderOptions ReaderOptions = new() { MaxDepth = 4 };

    /// <summary>Element types by their names in the format.</summary>
    public static IReadOnlyDictionary<string, ScalarType> Dtypes { get; } = new Dictionary<string, ScalarType>
    {
        ["F64"] = ScalarType.Float64,
        ["F32"] = ScalarType.Float32,
        ["F16"] = ScalarType.Float16,
        ["BF16"] = ScalarType.BFloat16,
        ["I64"] = ScalarType.Int64,
        ["I32"] = ScalarType.Int32,
        ["U8"] = ScalarType.UInt8,
        ["BOOL"] = ScalarType.Bool,
    };

    /// <summary>The entries in the order of their bytes.</summary>
    /// <param name="json">The header.</param>
    /// <param name="dataBytes">Bytes in the file behind the header: the entries cover exactly these.</param>
    /// <param name="metadata">Receives the pairs of <c>__metadata__</c>.</param>
    /// <exception cref="SafeTensorsException">Anything is not as it has to be.</exception>
    public static List<SafeTensorsEntry> Parse(ReadOnlySpan<byte> json, long dataBytes, Dictionary<string, string> metadata)
    {
        if (json.IsEmpty || json[0] != (byte)'{')
            throw new SafeTensorsException("The header does not begin with '{'.");
        try
        {
            var entries = ParseObject(json, metadata);
            RequireCover(entries, dataBytes);
            return entries;
        }
        catch (JsonException e)
        {
            throw new SafeTensorsException($"The header is not valid JSON: {e.Message}", e);
        }
        catch (InvalidOperationException e)
        {
            // The reader's answer to bytes or escapes that are no Unicode text.
            throw new SafeTensorsException($"The header has a string that is not valid Unicode: {e.Message}", e);
        }
    }

    private static List<SafeTensorsEntry> ParseObject(ReadOnlySpan<byte> json, Dictionary<string, string> metadata)
    {
        var reader = new Utf8JsonReader(json, ReaderOptions);
        var entries = new List<SafeTensorsEntry>();
        var names = new HashSet<string>();
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString()!;
            if (!names.Add(name))
                throw new SafeTensorsException($"Key '{name}' comes twice.");
            reader.Read();
            if (reader.TokenType != JsonTokenType.StartObject)
                throw new SafeTensorsException($"'{name}' is a {reader.TokenType}; it must be an object.");
            if (name == "__metadata__")
                ParseMetadata(ref reader, metadata);
            else
                entries.Add(ParseEntry(ref reader, name));
        }

        // Only spaces may follow; anything else makes the reader throw.
        reader.Read();
        return entries;
    }

    private static void ParseMetadata(ref Utf8JsonReader reader, Dictionary<string, string> metadata)
    {
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var key = reader.GetString()!;
            reader.Read();
            if (reader.TokenType != JsonTokenType.String)
                throw new SafeTensorsException($"__metadata__ '{key}' is a {reader.TokenType}; it must be a string.");
            if (!metadata.TryAdd(key, reader.GetString()!))
                throw new SafeTensorsException($"__metadata__ '{key}' comes twice.");
        }
    }

    private static SafeTensorsEntry ParseEntry(ref Utf8JsonReader reader, string name)
    {
        string? dtype = null;
        List<long>? shape = null;
        List<long>? offsets = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var field = reader.GetString()!;
            reader.Read();
            var twice = field switch
            {
                "dtype" => dtype is not null,
                "shape" => shape is not null,
                "data_offsets" => offsets is not null,
                _ => throw new SafeTensorsException(
                    $"Tensor '{name}' has a field '{field}'; only dtype, shape and data_offsets are known."),
            };
            if (twice)
                throw new SafeTensorsException($"Tensor '{name}' has the field {field} twice.");
            if (field == "dtype")
                dtype = ParseDtypeName(ref reader, name);
            else if (field == "shape")
                shape = ParseNumbers(ref reader, name, field, MaxDimensions);
            else
                offsets = ParseNumbers(ref reader, name, field, 2);
        }

        return Check(name, dtype, shape, offsets);
    }

    private static string ParseDtypeName(ref Utf8JsonReader reader, string name) => reader.TokenType == JsonTokenType.String
        ? reader.GetString()!
        : throw new SafeTensorsException($"Tensor '{name}': dtype is a {reader.TokenType}; it must be a string.");

    private static List<long> ParseNumbers(ref Utf8JsonReader reader, string name, string field, int most)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
            throw new SafeTensorsException($"Tensor '{name}': {field} is a {reader.TokenType}; it must be an array.");
        var numbers = new List<long>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out var number) || number < 0)
            {
                throw new SafeTensorsException(
                    $"Tensor '{name}': {field} has an element at index {numbers.Count} that is not an integer in [0, 2^63).");
            }

            if (numbers.Count == most)
                throw new SafeTensorsException($"Tensor '{name}': {field} has more than {most} elements.");
            numbers.Add(number);
        }

        return numbers;
    }

    private static SafeTensorsEntry Check(string name, string? dtypeName, List<long>? shape, List<long>? offsets)
    {
        if (dtypeName is null || shape is null || offsets is null)
        {
            var missing = dtypeName is null ? "dtype" : shape is null ? "shape" : "data_offsets";
            throw new SafeTensorsException($"Tensor '{name}' has no {missing}.");
        }

        if (!Dtypes.TryGetValue(dtypeName, out var dtype))
        {
            throw new SafeTensorsException(
                $"Tensor '{name}': dtype is '{dtypeName}'; it must be one of {string.Join(", ", Dtypes.Keys)}.");
        }

        if (offsets.Count != 2)
            throw new SafeTensorsException($"Tensor '{name}': data_offsets has {offsets.Count} elements; it must have 2.");
        var text = string.Join(", ", shape);
        long bytes = dtype.Size();
        try
        {
            // A zero anywhere makes the product 0, but a reader in another order would overflow: refuse both alike.
            foreach (var size in shape.Where(size => size != 0))
                bytes = checked(bytes * size);
        }
        catch (OverflowException e)
        {
            throw new SafeTensorsException($"Tensor '{name}': shape [{text}] of {dtypeName} has more than 2^63 bytes.", e);
        }

        if (shape.Contains(0))
            bytes = 0;
        var (begin, end) = (offsets[0], offsets[1]);
        if (end < begin || end - begin != bytes)
        {
            throw new SafeTensorsException(
                $"Tensor '{name}': data_offsets [{begin}, {end}] hold {end - begin} bytes; shape [{text}] of {dtypeName} needs {bytes}.");
        }

        return new SafeTensorsEntry(name, dtype, shape.AsReadOnly(), begin, end);
    }

    // No gaps, no overlaps, nothing beyond the end: two tensors never share bytes and no byte is smuggled in unseen.
    private static void RequireCover(List<SafeTensorsEntry> entries, long dataBytes)
    {
        entries.Sort((a, b) => (a.Begin, a.End).CompareTo((b.Begin, b.End)));
        var position = 0L;
        foreach (var entry in entries)
        {
            if (entry.Begin != position)
            {
                var fault = entry.Begin < position ? "overlaps the tensor before it" : "leaves a gap";
                throw new SafeTensorsException(
                    $"Tensor '{entry.Name}': data_offsets begin at {entry.Begin}, which {fault}; they must begin at {position}.");
            }

            position = entry.End;
        }

        if (position != dataBytes)
        {
            var fault = position > dataBytes ? $"{position - dataBytes} are missing" : $"{dataBytes - position} are too many";
            throw new SafeTensorsException(
                $"The tensors cover {position} bytes, but the file has {dataBytes} behind its header: {fault}.");
        }
    }
}
