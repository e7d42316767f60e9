using System.Text;

namespace StreamRec.Users.Tests;

public sealed class KafkaPartitionerTests
{
    // Apache Kafka, clients/src/test/java/org/apache/kafka/common/utils/UtilsTest.java, testMurmur2.
    [Theory]
    [InlineData("21", -973932308)]
    [InlineData("foobar", -790332482)]
    [InlineData("a-little-bit-long-string", -985981536)]
    [InlineData("a-little-bit-longer-string", -1486304829)]
    [InlineData("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971)]
    [InlineData("abc", 479470107)]
    public void Keys_hash_as_in_Kafkas_own_tests(string key, int expected) =>
        Assert.Equal(expected, (int)KafkaPartitioner.Murmur2(Encoding.UTF8.GetBytes(key)));

    [Fact]
    public void A_partition_is_never_negative()
    {
        Assert.Equal((-973932308 & 0x7fffffff) % 7, KafkaPartitioner.PartitionOf("21", 7));
        Assert.All(Enumerable.Range(0, 1000), i => Assert.InRange(KafkaPartitioner.PartitionOf($"u{i}", 7), 0, 6));
        Assert.InRange(KafkaPartitioner.PartitionOf(new string('ü', 300), 7), 0, 6);
    }
}
