using System.Text;
using StreamRec.Domain;
using StreamRec.Kafka.Ingest;

namespace StreamRec.Kafka.Tests;

public sealed class Utf8InternerTests
{
    [Fact]
    public void Every_id_gives_its_own_text_however_small_the_table_is()
    {
        var interner = new Utf8Interner(slots: 2);
        for (var i = 0; i < 10_000; i++)
        {
            var id = (i & 1) == 0 ? $"user-{i % 97}" : $"Nützer-{i % 97}";
            Assert.True(interner.TryIntern(Encoding.UTF8.GetBytes(id), out var interned));
            Assert.Equal(id, interned);
        }
    }

    [Fact]
    public void Ids_of_equal_UTF16_length_are_told_apart()
    {
        var interner = new Utf8Interner(slots: 1);
        foreach (var id in new[] { "aé", "aè", "ae", "éa", "aé" })
        {
            Assert.True(interner.TryIntern(Encoding.UTF8.GetBytes(id), out var interned));
            Assert.Equal(id, interned);
        }
    }

    [Fact]
    public void Invalid_UTF8_and_control_characters_are_refused()
    {
        var interner = new Utf8Interner();
        Assert.False(interner.TryIntern([0xC3], out _));
        Assert.False(interner.TryIntern([0xED, 0xA0, 0x80], out _));
        Assert.False(interner.TryIntern("a\tb"u8, out _));
        Assert.False(interner.TryIntern([0x7F], out _));
    }

    [Fact]
    public void A_number_is_that_of_the_catalogue_from_the_moment_it_has_one()
    {
        var catalogue = new Catalogue();
        var interner = new Utf8Interner(catalogue, slots: 2);
        Assert.Equal(-1, Number("a"));
        catalogue.Add("b");
        catalogue.Add("a");
        for (var i = 0; i < 1000; i++)
        {
            catalogue.Add($"item-{i % 97}");
            Assert.Equal((1, 0), (Number("a"), Number("b")));
            Assert.Equal(2 + (i % 97), Number($"item-{i % 97}"));
        }

        int Number(string id)
        {
            Assert.True(interner.TryIntern(Encoding.UTF8.GetBytes(id), out _));
            return interner.Number;
        }
    }

    [Fact]
    public void The_table_has_a_power_of_two_of_slots() => Assert.Throws<ArgumentOutOfRangeException>(() => new Utf8Interner(slots: 3));
}
