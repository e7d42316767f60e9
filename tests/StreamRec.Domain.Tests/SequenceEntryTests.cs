namespace StreamRec.Domain.Tests;

public sealed class SequenceEntryTests
{
    [Fact]
    public void Every_type_survives_packing_with_the_smallest_and_the_largest_item()
    {
        foreach (var type in Enum.GetValues<InteractionType>())
        {
            foreach (var item in new[] { 0, 1, 4711, SequenceEntry.MaxItems - 1 })
            {
                var entry = new SequenceEntry(item, type);

                Assert.Equal((item, type), (entry.Item, entry.Type));
                Assert.Equal(entry, new SequenceEntry(entry.Packed));
            }
        }
    }

    [Fact]
    public void The_packed_form_is_what_user_rows_hold()
    {
        Assert.Equal(0u, new SequenceEntry(0, InteractionType.Click).Packed);
        Assert.Equal((1u << 3) | 4u, new SequenceEntry(1, InteractionType.Rating).Packed);
        Assert.Equal(0xFFFF_FFFDu, new SequenceEntry(SequenceEntry.MaxItems - 1, InteractionType.Impression).Packed);
    }

    [Theory]
    [InlineData(InteractionType.Click, 0)]
    [InlineData(InteractionType.View, 1)]
    [InlineData(InteractionType.Cart, 2)]
    [InlineData(InteractionType.Purchase, 3)]
    [InlineData(InteractionType.Rating, 4)]
    [InlineData(InteractionType.Impression, 5)]
    public void A_type_keeps_its_stored_number(InteractionType type, int stored) => Assert.Equal(stored, (int)type);

    [Fact]
    public void There_are_not_more_types_than_three_bits_hold() =>
        Assert.All(Enum.GetValues<InteractionType>(), type => Assert.InRange((int)type, 0, 7));
}
