namespace StreamRec.Models.Text;

/// <summary>Reads the fields of a Protocol Buffers message one after the other. Source: the encoding as published by its makers.</summary>
internal ref struct ProtoReader
{
    private readonly ReadOnlySpan<byte> _message;
    private int _at;

    public ProtoReader(ReadOnlySpan<byte> message) => _message = message;

    /// <summary>Number of the field that was read last.</summary>
    public int Field { get; private set; }

    /// <summary>Its value where it is a number: the bits of a float, the two's complement of a negative one.</summary>
    public ulong Number { get; private set; }

    /// <summary>Its bytes where it is a text or a message; empty where it is a number.</summary>
    public ReadOnlySpan<byte> Bytes { get; private set; }

    /// <summary>Reads the next field; false at the end.</summary>
    /// <exception cref="InvalidDataException">The message is cut off or is none; the message names the byte.</exception>
    public bool Read()
    {
        if (_at == _message.Length)
        {
            return false;
        }

        var start = _at;
        var tag = Varint();
        Field = (int)(tag >> 3);
        Number = 0;
        Bytes = default;
        switch (tag & 7)
        {
            case 0:
                Number = Varint();
                break;
            case 1:
                Number = BitConverter.ToUInt64(Take(sizeof(ulong)));
                break;
            case 2:
                Bytes = Take(Varint());
                break;
            case 5:
                Number = BitConverter.ToUInt32(Take(sizeof(uint)));
                break;
            default:
                throw new InvalidDataException($"the field at byte {start} has wire type {tag & 7}, which is none of 0, 1, 2 and 5");
        }

        return true;
    }

    private ulong Varint()
    {
        var value = 0UL;
        for (var shift = 0; shift < 70; shift += 7)
        {
            var next = Take(1)[0];
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80)
            {
                return value;
            }
        }

        throw new InvalidDataException($"the number before byte {_at} has more than 10 bytes");
    }

    private ReadOnlySpan<byte> Take(ulong length)
    {
        if (length > (ulong)(_message.Length - _at))
        {
            throw new InvalidDataException($"{length} bytes are needed at byte {_at} of {_message.Length}");
        }

        var taken = _message.Slice(_at, (int)length);
        _at += (int)length;
        return taken;
    }
}
