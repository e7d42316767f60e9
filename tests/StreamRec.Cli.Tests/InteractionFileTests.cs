using System.IO.Compression;
using System.Text;
using StreamRec.Cli.Files;
using StreamRec.Domain;

namespace StreamRec.Cli.Tests;

public sealed class InteractionFileTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Users_of_a_sequence_file_take_turns()
    {
        var read = Read("u1 a b c\nu2 d\nu3 e f\n");

        Assert.Equal(["u1 a", "u2 d", "u3 e", "u1 b", "u3 f", "u1 c"], read.Select(i => $"{i.UserId} {i.ItemId}"));
        Assert.All(read, i => Assert.Equal((InteractionType.Click, 0L), (i.Type, i.TimestampMs)));
    }

    [Fact]
    public void A_sequence_line_without_items_contributes_nothing() =>
        Assert.Equal(["u1 a"], Read("u1 a\nu2\n").Select(i => $"{i.UserId} {i.ItemId}"));

    [Fact]
    public void A_recbole_file_names_its_columns_with_types()
    {
        var read = Read("user_id:token\titem_id:token\trating:float\ttimestamp:float\n196\t242\t3\t881250949\n186\t302\t4.5\t881250950\n");

        Assert.Equal(
            [
                new Interaction("196", "242", InteractionType.Rating, 881250949000, 3),
                new Interaction("186", "302", InteractionType.Rating, 881250950000, 4.5),
            ],
            read);
    }

    [Fact]
    public void MovieLens_100k_has_four_numbers_and_no_header() =>
        Assert.Equal(
            [new Interaction("196", "242", InteractionType.Rating, 881250949000, 3)], Read("196\t242\t3\t881250949\n"));

    [Fact]
    public void MovieLens_csv_has_a_header_in_camel_case() =>
        Assert.Equal(
            [new Interaction("1", "31", InteractionType.Rating, 1260759144000, 2.5)],
            Read("userId,movieId,rating,timestamp\r\n1,31,2.5,1260759144\r\n"));

    [Fact]
    public void MovieLens_1m_separates_by_two_colons() =>
        Assert.Equal(
            [new Interaction("1", "1193", InteractionType.Rating, 978300760000, 5)], Read("1::1193::5::978300760\n"));

    [Theory]
    [InlineData(",")]
    [InlineData("\t")]
    public void A_header_names_every_column_in_any_order(string separator)
    {
        string[] rows =
        [
            "timestamp|type|event_id|item_id|value|user_id",
            "1700000000000|purchase|e-1|shoes|2|anna",
            "1700000000500|View||hat||\"ben\"",
        ];
        var read = Read(string.Join('\n', rows).Replace("|", separator, StringComparison.Ordinal));

        Assert.Equal(
            [
                new Interaction("anna", "shoes", InteractionType.Purchase, 1700000000000, 2, "e-1"),
                new Interaction("ben", "hat", InteractionType.View, 1700000000500, double.NaN),
            ],
            read);
    }

    [Fact]
    public void Columns_that_are_not_known_are_left_out_and_missing_ones_have_defaults() =>
        Assert.Equal(
            [new Interaction("anna", "hat", InteractionType.Click, 0)], Read("user,country,item\nanna,NL,hat\n"));

    [Fact]
    public void Json_lines_have_the_shape_of_the_interactions_topic()
    {
        var read = Read(
            """
            {"event_id":"e-1","user_id":"u42","item_id":"B004756YJA","type":"cart","timestamp":"2026-11-20T23:17:00Z","value":5}
            {"user_id":7,"item_id":8,"timestamp":1795216620001}
            """);

        Assert.Equal(
            [
                new Interaction("u42", "B004756YJA", InteractionType.Cart, 1795216620000, 5, "e-1"),
                new Interaction("7", "8", InteractionType.Click, 1795216620001),
            ],
            read);
    }

    [Fact]
    public void Amazon_reviews_are_ratings()
    {
        var read = Read(
            """
            {"reviewerID":"A2SUAM1J3GNN3B","asin":"0000013714","helpful":[2,3],"overall":5.0,"unixReviewTime":1252800000}
            {"user_id":"AGKH","parent_asin":"B01","asin":"B02","rating":4.0,"timestamp":1588687728923}
            """);

        Assert.Equal(
            [
                new Interaction("A2SUAM1J3GNN3B", "0000013714", InteractionType.Rating, 1252800000000, 5),
                new Interaction("AGKH", "B02", InteractionType.Rating, 1588687728923, 4),
            ],
            read);
    }

    [Theory]
    [InlineData("u1 a b\nu2 c\n")]
    [InlineData("user_id,item_id\nu1,a\nu2,b\n")]
    [InlineData("{\"user_id\":\"u1\",\"item_id\":\"a\"}\n")]
    public void A_gzip_file_reads_like_a_plain_one_whatever_it_is_called(string content)
    {
        var path = Path.Combine(_directory.Path, "interactions");
        using (var gzip = new GZipStream(File.Create(path), CompressionLevel.Fastest))
        {
            gzip.Write(Encoding.UTF8.GetBytes(content));
        }

        Assert.Equal(Read(content), InteractionFile.Read(path));
    }

    [Fact]
    public void A_byte_order_mark_is_not_part_of_the_first_column() =>
        Assert.Equal("anna", Assert.Single(Read("\uFEFFuser_id,item_id\nanna,hat\n")).UserId);

    [Fact]
    public void Rows_are_put_in_order_of_time_and_rows_of_one_time_stay_as_they_were()
    {
        var read = Read("user_id,item_id,timestamp\nu,c,20\nu,a,10\nu,d,20\nu,b,10\nu,e,20\nu,f,0\n");

        Assert.Equal("fabcde", string.Concat(read.Select(i => i.ItemId)));
    }

    [Fact]
    public void Json_lines_are_put_in_order_of_time()
    {
        var read = Read(
            """
            {"user_id":"u","item_id":"b","timestamp":"2026-01-02T00:00:00Z"}
            {"user_id":"u","item_id":"a","timestamp":"2026-01-01T00:00:00Z"}
            """);

        Assert.Equal("ab", string.Concat(read.Select(i => i.ItemId)));
    }

    [Theory]
    [InlineData("1700000000", 1700000000000)]
    [InlineData("1700000000.25", 1700000000250)]
    [InlineData("1700000000123", 1700000000123)]
    [InlineData("99999999999", 99999999999000)]
    [InlineData("100000000000", 100000000000)]
    [InlineData("0", 0)]
    public void Seconds_and_milliseconds_are_told_apart_by_size(string written, long milliseconds)
    {
        Assert.Equal(milliseconds, Assert.Single(Read($"user_id,item_id,timestamp\nu,a,{written}\n")).TimestampMs);
        Assert.Equal(milliseconds, Assert.Single(Read($$"""{"user_id":"u","item_id":"a","timestamp":{{written}}}""")).TimestampMs);
    }

    [Theory]
    [InlineData("")]
    [InlineData("\n\n\r\n")]
    public void An_empty_file_is_refused_by_name(string content)
    {
        var path = _directory.Write("nothing.csv", content);

        Assert.Equal($"'{path}' is empty.", Assert.Throws<InvalidDataException>(() => InteractionFile.Read(path)).Message);
    }

    [Fact]
    public void A_missing_file_is_refused_by_name()
    {
        var path = Path.Combine(_directory.Path, "missing.csv");

        Assert.Contains(path, Assert.Throws<FileNotFoundException>(() => InteractionFile.Read(path)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("name,price\nhat,5\n")]
    [InlineData("justoneword\n")]
    [InlineData("1\t2\t3\n")]
    [InlineData("<html>\n")]
    public void A_format_that_is_not_known_is_refused_with_what_is(string content) =>
        Assert.Contains("the format is not known. Expected", Refusal(content), StringComparison.Ordinal);

    [Theory]
    [InlineData("user_id,item_id\nu,a\nu\n", "row 3 has 1 fields; the first row has 2")]
    [InlineData("user_id,item_id\n\nu,a\n\nu,b,c\n", "row 5 has 3 fields; the first row has 2")]
    [InlineData("user_id,item_id,timestamp\nu,a,1\nu,b,soon\n", "row 3: 'soon' is not a timestamp")]
    [InlineData("user_id,item_id,rating\nu,a,1\nu,b,NaN\n", "row 3: 'NaN' is not a rating")]
    [InlineData("user_id,item_id,type\nu,a,view\nu,b,kiss\n", "row 3: 'kiss' is not a type")]
    [InlineData("user_id,item_id,type\nu,a,3\n", "row 2: '3' is not a type")]
    [InlineData("user_id,item_id,type\nu,a,\"vi\"\"ew\"\n", "row 2: 'vi\"ew' is not a type")]
    [InlineData("user_id,item_id\nu,\"a\n", "row 2: the quotes of field 2 do not end")]
    [InlineData("user_id,item_id\n\"u\"v,a\n", "row 2: behind the quotes of field 1 there must be a comma")]
    [InlineData("user_id\titem_id\ttype\nu\ta\tview,cart\n", "row 2: 'view,cart' is not a type")]
    [InlineData("196\t242\t3\t881250949\n196\t242\t3\n", "row 2 has 3 fields; the first row has 4")]
    [InlineData("user_id,item_id\nu,a\n,b\n", "row 3: the user id is ''")]
    [InlineData("user_id,item_id\nu,a\nu,\n", "row 3: the item id is ''")]
    public void A_row_that_does_not_fit_is_named_by_its_number(string content, string expected) =>
        Assert.Contains(expected, Refusal(content), StringComparison.Ordinal);

    [Theory]
    [InlineData("{\"user_id\":\"u\"}", "row 2 has no item_id")]
    [InlineData("{\"item_id\":\"a\"}", "row 2 has no user_id")]
    [InlineData("{\"user_id\":null,\"item_id\":\"a\"}", "row 2 has no user_id")]
    [InlineData("5", "row 2 has no user_id")]
    [InlineData("{\"user_id\":\"u\"", "row 2 is not JSON")]
    [InlineData("{\"user_id\":\"u\",\"item_id\":\"a\",\"type\":\"kiss\"}", "row 2: 'kiss' is not a type")]
    [InlineData("{\"user_id\":\"u\",\"item_id\":\"a\",\"type\":3}", "row 2: '3' is not a type")]
    [InlineData("{\"user_id\":\"u\",\"item_id\":\"a\",\"timestamp\":\"soon\"}", "row 2: 'soon' is not a timestamp")]
    [InlineData("{\"user_id\":\"u\",\"item_id\":\"\"}", "row 2: the item id is ''")]
    [InlineData("{\"user_id\":\"u\\tv\",\"item_id\":\"a\"}", "row 2: the user id is 'u?v'")]
    [InlineData("{\"user_id\":\"u\",\"item_id\":\"a\",\"event_id\":\"\\n\"}", "row 2: the event id is '?'")]
    [InlineData("{\"user_id\":\"\\ud800\",\"item_id\":\"a\"}", "row 2 is not JSON")]
    public void A_json_line_that_does_not_fit_is_named_by_its_number(string line, string expected) =>
        Assert.Contains(expected, Refusal("{\"user_id\":\"u\",\"item_id\":\"a\"}\n" + line + "\n"), StringComparison.Ordinal);

    [Fact]
    public void An_id_of_256_bytes_is_read_and_one_more_is_refused()
    {
        var longest = new string('é', 128);
        Assert.Equal(longest, Assert.Single(Read($"user_id,item_id\nu,{longest}\n")).ItemId);

        Assert.Contains("row 1: the item id is", Refusal($"u a x{longest}\n"), StringComparison.Ordinal);
        Assert.Contains("it must be 1 to 256 UTF-8 bytes", Refusal($"user_id,item_id\nu,x{longest}\n"), StringComparison.Ordinal);
    }

    [Fact]
    public void Bytes_that_are_not_text_are_refused_by_the_name_of_the_file()
    {
        var path = Path.Combine(_directory.Path, "latin1.csv");
        File.WriteAllBytes(path, Encoding.Latin1.GetBytes("user_id,item_id\nanna,café\n"));

        Assert.Contains(path, Assert.Throws<InvalidDataException>(() => InteractionFile.Read(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_gzip_file_that_was_cut_off_is_refused_by_the_name_of_the_file()
    {
        var path = Path.Combine(_directory.Path, "cut.gz");
        using (var memory = new MemoryStream())
        {
            using (var gzip = new GZipStream(memory, CompressionLevel.Fastest, leaveOpen: true))
            {
                // Lines that are whole wherever they end: only the compression tells.
                gzip.Write(Encoding.UTF8.GetBytes(string.Concat(Enumerable.Range(0, 5000).Select(i => $"u{i} a{i * 31} b{i}\n"))));
            }

            File.WriteAllBytes(path, memory.ToArray()[..(int)(memory.Length / 2)]);
        }

        var refusal = Assert.Throws<InvalidDataException>(() => InteractionFile.Read(path)).Message;
        Assert.Contains(path, refusal, StringComparison.Ordinal);
        Assert.Contains("the gzip data is damaged", refusal, StringComparison.Ordinal);
    }

    private IReadOnlyList<Interaction> Read(string content) => InteractionFile.Read(_directory.Write("interactions.txt", content));

    private string Refusal(string content) => Assert.Throws<InvalidDataException>(() => Read(content)).Message;
}
