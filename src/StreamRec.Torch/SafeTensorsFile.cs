using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;

namespace StreamRec.Torch;

/// <summary>
/// A safetensors file, open for reading: the header is checked completely before anything else is done with it.
/// </summary>
/// <remarks>
/// Elements are read straight into the tensor's memory when they are asked for. The file is read, not mapped, so that
/// one cut short meanwhile gives an exception and not a signal. Whatever the bytes are, the answer is a <see
/// cref="SafeTensorsException"/>, an I/O exception or a correct tensor, and memory use is bounded by the file's own
/// length. Threading: any thread.
/// </remarks>
public sealed partial class SafeTensorsFile : IDisposable
{
    private const int PrefixBytes = 8;

    // One read call takes at most an int's worth; 64 MiB keeps the buffer that the kernel copies through small.
    private const int ChunkBytes = 64 << 20;

    private readonly SafeFileHandle _file;
    private readonly OrderedDictionary<string, SafeTensorsEntry> _entries = [];
    private readonly long _dataStart;

    private SafeTensorsFile(SafeFileHandle file)
    {
        _file = file;
        var length = RandomAccess.GetLength(file);
        if (length < PrefixBytes)
            throw new SafeTensorsException($"The file has {length} bytes; the header's length alone takes {PrefixBytes}.");
        Span<byte> prefix = stackalloc byte[PrefixBytes];
        ReadExactly(prefix, 0);
        var headerBytes = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (headerBytes > SafeTensorsHeader.MaxBytes)
            throw new SafeTensorsException($"The header's length is {headerBytes}; at most {SafeTensorsHeader.MaxBytes} is accepted.");
        _dataStart = PrefixBytes + (long)headerBytes;
        if (_dataStart > length)
        {
            throw new SafeTensorsException(
                $"The header's length is {headerBytes}, but the file ends {_dataStart - length} bytes before the header does.");
        }

        var header = new byte[headerBytes];
        ReadExactly(header, PrefixBytes);
        var metadata = new Dictionary<string, string>();
        foreach (var entry in SafeTensorsHeader.Parse(header, length - _dataStart, metadata))
            _entries.Add(entry.Name, entry);
        Metadata = metadata;
    }

    /// <summary>Names of the tensors in the order of their bytes.</summary>
    public IReadOnlyList<string> Names => _entries.Keys;

    /// <summary>The pairs of <c>__metadata__</c>; empty when there is none.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <exception cref="SafeTensorsException">The file is malformed; the message begins with its path.</exception>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    public static SafeTensorsFile Open(string path)
    {
        var file = File.OpenHandle(path);
        try
        {
            return new SafeTensorsFile(file);
        }
        catch (SafeTensorsException e)
        {
            file.Dispose();
            throw new SafeTensorsException($"{path}: {e.Message}", e);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Whether there is a tensor of this name.</summary>
    public bool Contains(string name) => _entries.ContainsKey(name);

    /// <summary>What the header says about a tensor.</summary>
    /// <exception cref="SafeTensorsException">There is no tensor of this name.</exception>
    public SafeTensorsEntry Entry(string name) => _entries.TryGetValue(name, out var entry)
        ? entry
        : throw new SafeTensorsException($"There is no tensor '{name}' in the file; it has {_entries.Count} others.");

    /// <summary>A tensor's elements, on the CPU; the caller's, or the innermost scope's.</summary>
    /// <exception cref="SafeTensorsException">
    /// There is no tensor of this name, or the file was cut short since it was opened.
    /// </exception>
    public unsafe Tensor Read(string name)
    {
        var entry = Entry(name);
        var tensor = Tensor.Empty(entry.Shape.ToArray(), entry.Dtype);
        try
        {
            var address = (byte*)tensor.Address();
            var bytes = entry.End - entry.Begin;
            for (var done = 0L; done < bytes; done += ChunkBytes)
            {
                var chunk = new Span<byte>(address + done, (int)Math.Min(ChunkBytes, bytes - done));
                ReadExactly(chunk, _dataStart + entry.Begin + done);

                // Any other byte than 0 and 1 is no C++ bool, and comparing one is undefined behaviour.
                if (entry.Dtype == ScalarType.Bool && chunk.ContainsAnyExceptInRange((byte)0, (byte)1))
                    throw new SafeTensorsException($"Tensor '{name}' of BOOL has a byte other than 0 and 1.");
            }

            return tensor;
        }
        catch
        {
            tensor.Dispose();
            throw;
        }
    }

    public void Dispose() => _file.Dispose();

    private void ReadExactly(Span<byte> destination, long offset)
    {
        var total = destination.Length;
        while (!destination.IsEmpty)
        {
            var read = RandomAccess.Read(_file, destination, offset);
            if (read == 0)
                throw new SafeTensorsException($"The file was cut short: {destination.Length} of {total} bytes are missing at byte {offset}.");
            destination = destination[read..];
            offset += read;
        }
    }
}
