namespace StreamRec.Users.Tests;

public sealed class SlotMapTests
{
    [Fact]
    public void Every_slot_keeps_its_own_number_in_turns_of_any_size()
    {
        var map = new SlotMap();
        var random = new Random(9);
        foreach (var most in new[] { 1, 3, 2048, 100_000, 5, 1, 300, 2048, 0, 17 })
        {
            map.Clear(most);
            var expected = new Dictionary<int, int>();
            for (var i = 0; i < most; i++)
            {
                // Neighbours, and slots that are far apart by powers of two.
                var slot = random.Next(2) == 0 ? random.Next(most) : random.Next(1024) << random.Next(20);
                ref var number = ref map[slot];
                Assert.Equal(expected.GetValueOrDefault(slot), number);
                expected[slot] = number = i + 1;
            }

            Assert.All(expected, pair => Assert.Equal(pair.Value, map[pair.Key]));
        }
    }
}
