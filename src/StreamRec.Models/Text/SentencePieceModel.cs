using System.Text;

namespace StreamRec.Models.Text;

/// <summary>What a SentencePiece <c>tokenizer.model</c> holds, checked.</summary>
internal sealed class SentencePieceModel
{
    private const ulong UnigramType = 1;
    private const ulong BpeType = 2;

    private ulong _type = UnigramType;

    private SentencePieceModel()
    {
    }

    /// <summary>What a piece is for; the numbers are those of the file.</summary>
    public enum PieceType
    {
        Normal = 1,
        Unknown = 2,
        Control = 3,
        UserDefined = 4,
        Unused = 5,
        Byte = 6,
    }

    /// <summary>Pieces by id.</summary>
    public List<(string Text, float Score, PieceType Type)> Pieces { get; } = [];

    /// <summary>Whether what has no piece is spelled in bytes.</summary>
    public bool ByteFallback { get; private set; }

    /// <summary>Whether a text is spelled as if a space came before it.</summary>
    public bool DummyPrefix { get; private set; } = true;

    /// <summary>Whether spaces at the ends are left out, and several in a row made one.</summary>
    public bool RemovesSpaces { get; private set; } = true;

    /// <summary>Normalization; null where text stays as it is.</summary>
    public CharacterMap? Characters { get; private set; }

    /// <summary>What the unknown piece is decoded to.</summary>
    public string UnknownSurface { get; private set; } = " \u2047 ";

    /// <summary>Id of the piece for what cannot be spelled.</summary>
    public int Unknown { get; private set; }

    /// <summary>Id of the piece that begins a sequence; negative where there is none.</summary>
    public int Begin { get; private set; } = 1;

    /// <summary>Id of the piece that ends a sequence; negative where there is none.</summary>
    public int End { get; private set; } = 2;

    /// <summary>Id of the piece that fills up a batch; negative where there is none.</summary>
    public int Padding { get; private set; } = -1;

    /// <summary>Reads a model.</summary>
    /// <exception cref="InvalidDataException">It is damaged or of a kind that is not read; the message names file, place and what to do.</exception>
    public static SentencePieceModel Read(string path)
    {
        try
        {
            var model = new SentencePieceModel();
            var reader = new ProtoReader(File.ReadAllBytes(path));
            while (reader.Read())
            {
                switch (reader.Field)
                {
                    case 1: model.ReadPiece(reader.Bytes); break;
                    case 2: model.ReadTrainer(reader.Bytes); break;
                    case 3: model.ReadNormalizer(reader.Bytes); break;
                }
            }

            model.Check();
            return model;
        }
        catch (Exception exception) when (exception is InvalidDataException or DecoderFallbackException)
        {
            throw new InvalidDataException(
                $"{path}: {exception.Message}; take the file again from where it was published, and see that it is a SentencePiece BPE model.", exception);
        }
    }

    private static string Text(ReadOnlySpan<byte> utf8) => new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(utf8);

    private void ReadPiece(ReadOnlySpan<byte> message)
    {
        var (text, score, type) = ("", 0f, PieceType.Normal);
        var reader = new ProtoReader(message);
        while (reader.Read())
        {
            switch (reader.Field)
            {
                case 1: text = Text(reader.Bytes); break;
                case 2: score = BitConverter.UInt32BitsToSingle((uint)reader.Number); break;
                case 3: type = (PieceType)reader.Number; break;
            }
        }

        if (text.Length == 0 || !float.IsFinite(score) || !Enum.IsDefined(type))
        {
            throw new InvalidDataException($"piece {Pieces.Count} is '{text}' with score {score} and type {(int)type}");
        }

        if (type is PieceType.UserDefined or PieceType.Unused)
        {
            throw new InvalidDataException($"piece {Pieces.Count}, '{text}', is user-defined or unused, which is not supported");
        }

        Pieces.Add((text, score, type));
    }

    private void ReadTrainer(ReadOnlySpan<byte> message)
    {
        var reader = new ProtoReader(message);
        while (reader.Read())
        {
            switch (reader.Field)
            {
                case 3: _type = reader.Number; break;
                case 24 when reader.Number != 0: throw new InvalidDataException("spaces are put after words, which is not supported");
                case 35: ByteFallback = reader.Number != 0; break;
                case 40: Unknown = (int)reader.Number; break;
                case 41: Begin = (int)reader.Number; break;
                case 42: End = (int)reader.Number; break;
                case 43: Padding = (int)reader.Number; break;
                case 44: UnknownSurface = Text(reader.Bytes); break;
            }
        }
    }

    private void ReadNormalizer(ReadOnlySpan<byte> message)
    {
        var reader = new ProtoReader(message);
        while (reader.Read())
        {
            switch (reader.Field)
            {
                case 2: Characters = reader.Bytes.IsEmpty ? null : new CharacterMap(reader.Bytes); break;
                case 3: DummyPrefix = reader.Number != 0; break;
                case 4: RemovesSpaces = reader.Number != 0; break;
                case 5 when reader.Number == 0: throw new InvalidDataException("spaces are not written as U+2581, which is not supported");
            }
        }
    }

    private void Check()
    {
        if (_type != BpeType)
        {
            throw new InvalidDataException($"the model is of type {_type}; only BPE ({BpeType}) is read");
        }

        var known = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var id = 0; id < Pieces.Count; id++)
        {
            if (!known.TryAdd(Pieces[id].Text, id))
            {
                throw new InvalidDataException($"pieces {known[Pieces[id].Text]} and {id} are both '{Pieces[id].Text}'");
            }
        }

        if ((uint)Unknown >= (uint)Pieces.Count || Pieces[Unknown].Type != PieceType.Unknown)
        {
            throw new InvalidDataException($"piece {Unknown} of {Pieces.Count} should be the unknown one");
        }

        foreach (var id in new[] { Begin, End, Padding })
        {
            if (id >= Pieces.Count || (id >= 0 && Pieces[id].Type != PieceType.Control))
            {
                throw new InvalidDataException($"piece {id} of {Pieces.Count} should be a control piece");
            }
        }

        for (var b = 0; b < 256 && ByteFallback; b++)
        {
            if (!known.TryGetValue(ByteText(b), out var id) || Pieces[id].Type != PieceType.Byte)
            {
                throw new InvalidDataException($"no byte piece is '{ByteText(b)}'");
            }
        }
    }

    /// <summary>How the piece of a byte is written.</summary>
    public static string ByteText(int value) => $"<0x{value:X2}>";
}
