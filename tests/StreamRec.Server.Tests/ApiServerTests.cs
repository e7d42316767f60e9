using System.Net;
using System.Net.Http.Headers;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using StreamRec.Server.Http;

namespace StreamRec.Server.Tests;

[Collection(nameof(Settings))]
public sealed class ApiServerTests(RunningServer server) : IClassFixture<RunningServer>
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("health/live", "alive")]
    [InlineData("health/ready", "ready")]
    public async Task Health_is_one_word(string path, string expected) =>
        Assert.Equal(expected, await server.Anonymous.GetStringAsync(path, Cancellation));

    [Fact]
    public async Task Figures_have_the_names_that_the_command_line_reads()
    {
        var figures = await GetAsync("figures");

        Assert.Equal(server.Address.BootstrapServers, figures.GetProperty("bootstrap_servers").GetString());
        Assert.Equal(JsonValueKind.Null, figures.GetProperty("model").ValueKind);
        Assert.Equal(0, figures.GetProperty("hit_rate").GetDouble());
        Assert.NotNull(figures.Deserialize<FiguresView>(ViewJson.Options));
    }

    [Fact]
    public async Task What_became_of_the_records_has_the_names_that_the_doctor_reads()
    {
        var ingest = await GetAsync("ingest");

        Assert.Equal((0, 0), (ingest.GetProperty("consumed").GetInt64(), ingest.GetProperty("matched").GetInt64()));
        Assert.NotNull(ingest.Deserialize<IngestView>(ViewJson.Options)!.DeadLettered);
    }

    [Fact]
    public void The_address_file_leads_to_the_server() =>
        Assert.Equal(server.Address, ServerAddress.Find(server.Pipeline.Options.Server.DataDirectory));

    [Fact]
    public async Task Every_user_is_found_by_its_own_id_however_it_is_spelt()
    {
        foreach (var user in RunningServer.Users)
        {
            var view = await GetAsync($"users/{Uri.EscapeDataString(user)}");

            Assert.Equal(user, view.GetProperty("user_id").GetString());
            Assert.Equal(user == "anna" ? 3 : 2, view.GetProperty("interactions").GetInt32());
        }
    }

    [Fact]
    public async Task A_user_is_shown_with_what_it_did()
    {
        var view = (await GetAsync("users/anna")).Deserialize<UserView>(ViewJson.Options)!;

        Assert.Equal(DateTimeOffset.FromUnixTimeMilliseconds(1002), view.LastAt);
        Assert.Equal(["i0 click", "i1 click", "i2 click"], view.Sequence.Select(entry => $"{entry.ItemId} {entry.Type}"));
    }

    [Fact]
    public async Task A_user_that_is_not_known_is_a_problem_404()
    {
        using var response = await server.Anonymous.GetAsync("users/nobody", Cancellation);

        await AssertProblemAsync(HttpStatusCode.NotFound, "Nothing is known of this user.", response);
    }

    [Fact]
    public async Task A_list_without_a_model_says_so_in_the_words_of_the_topic()
    {
        var list = await GetAsync($"recommendations/{Uri.EscapeDataString("anna/ben")}?k=5");

        Assert.Equal("anna/ben", list.GetProperty("user_id").GetString());
        Assert.Equal(2, list.GetProperty("sequence").GetInt32());
        Assert.Equal("no_model", list.GetProperty("fallback").GetString());
        Assert.Equal(JsonValueKind.Null, list.GetProperty("model").ValueKind);
        var items = list.GetProperty("items").EnumerateArray().Select(item => item.GetProperty("item_id").GetString()).ToList();
        Assert.Contains("i2", items);
        Assert.DoesNotContain("i0", items);
        Assert.DoesNotContain("i1", items);
    }

    [Fact]
    public async Task Somebody_new_gets_a_list_of_ten_at_the_most()
    {
        var list = (await GetAsync("recommendations/somebody-new")).Deserialize<ListView>(ViewJson.Options)!;

        Assert.Equal(0, list.Sequence);
        Assert.InRange(list.Items.Count, 1, 10);
        Assert.Equal(Enumerable.Range(1, list.Items.Count), list.Items.Select(item => item.Rank));
    }

    [Theory]
    [InlineData("0")]
    [InlineData("-1")]
    [InlineData("1001")]
    public async Task A_k_out_of_range_is_refused_with_the_range(string k)
    {
        using var response = await server.Anonymous.GetAsync($"recommendations/anna?k={k}", Cancellation);

        await AssertProblemAsync(HttpStatusCode.BadRequest, $"k is {k}; it must be in [1, 1000].", response);
    }

    [Theory]
    [InlineData("many")]
    [InlineData("99999999999")]
    [InlineData("1.5")]
    public async Task A_k_that_is_no_number_is_a_problem_400(string k)
    {
        using var response = await server.Anonymous.GetAsync($"recommendations/anna?k={k}", Cancellation);

        await AssertProblemAsync(HttpStatusCode.BadRequest, null, response);
    }

    [Theory]
    [InlineData("DELETE", "users/anna")]
    [InlineData("POST", "models/recgpt/1/activate")]
    [InlineData("POST", "models/rollback")]
    [InlineData("POST", "training")]
    [InlineData("PUT", "users/anna")]
    [InlineData("POST", "nowhere")]
    public async Task What_changes_something_needs_the_token(string method, string path)
    {
        string?[] wrong = [null, "Bearer ", "Bearer 0123456789", $"Basic {server.Address.Token}", server.Address.Token, $"Bearer {server.Address.Token}0"];
        foreach (var header in wrong)
        {
            using var request = new HttpRequestMessage(new HttpMethod(method), path);
            if (header is not null)
            {
                request.Headers.TryAddWithoutValidation("Authorization", header);
            }

            using var response = await server.Anonymous.SendAsync(request, Cancellation);

            await AssertProblemAsync(HttpStatusCode.Unauthorized, "server.json", response);
        }

        Assert.Equal(3, (await GetAsync("users/anna")).GetProperty("interactions").GetInt32());
        Assert.Equal(JsonValueKind.Null, (await GetAsync("figures")).GetProperty("model").ValueKind);
    }

    [Theory]
    [InlineData("streamrec.example")]
    [InlineData("127.0.0.1.example:8088")]
    [InlineData("10.0.0.1")]
    [InlineData("[::1]")]
    public async Task A_host_name_of_somebody_else_is_misdirected_even_with_the_token(string host)
    {
        foreach (var path in new[] { "health/live", "users/anna", "figures" })
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, path) { Headers = { Host = host } };
            using var response = await server.Owner.SendAsync(request, Cancellation);

            await AssertProblemAsync(HttpStatusCode.MisdirectedRequest, "127.0.0.1", response);
        }
    }

    [Fact]
    public async Task Localhost_is_a_name_of_this_server()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "health/live") { Headers = { Host = "localhost:1" } };
        using var response = await server.Anonymous.SendAsync(request, Cancellation);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    [Theory]
    [InlineData("models/recgpt/99/activate", HttpStatusCode.Conflict, "recgpt@99 does not exist")]
    [InlineData("models/other/1/activate", HttpStatusCode.Conflict, "other@1 does not exist")]
    [InlineData("models/recgpt/0/activate", HttpStatusCode.BadRequest, "'recgpt@0' is not a model version")]
    [InlineData("models/recgpt/-1/activate", HttpStatusCode.BadRequest, "'recgpt@-1' is not a model version")]
    [InlineData("models/..%2f..%2fetc/1/activate", HttpStatusCode.BadRequest, "is not a model version")]
    [InlineData("models/RECGPT/1/activate", HttpStatusCode.BadRequest, "'RECGPT@1' is not a model version")]
    [InlineData("models/recgpt/99999999999/activate", HttpStatusCode.NotFound, null)]
    [InlineData("models/recgpt/one/activate", HttpStatusCode.NotFound, null)]
    [InlineData("models/rollback", HttpStatusCode.Conflict, "there is no previous version")]
    public async Task A_version_that_cannot_serve_is_refused_with_the_reason(string path, HttpStatusCode status, string? reason)
    {
        using var response = await server.Owner.PostAsync(path, null, Cancellation);

        await AssertProblemAsync(status, reason, response);
        Assert.Null(server.Pipeline.Models.Serving);
    }

    [Fact]
    public async Task No_models_are_an_empty_list() => Assert.Equal(0, (await GetAsync("models")).GetArrayLength());

    [Fact]
    public async Task Forgetting_a_user_leaves_nothing_of_this_one_and_all_of_the_others()
    {
        var (user, other) = (Uri.EscapeDataString(RunningServer.Forgettable[0]), Uri.EscapeDataString(RunningServer.Forgettable[1]));
        using var response = await server.Owner.DeleteAsync($"users/{user}", Cancellation);
        response.EnsureSuccessStatusCode();
        using var receipt = JsonDocument.Parse(await response.Content.ReadAsStringAsync(Cancellation));

        Assert.Equal(2, receipt.RootElement.GetProperty("interactions").GetInt32());
        Assert.Equal(2, (await GetAsync($"users/{other}")).GetProperty("interactions").GetInt32());
        using var gone = await server.Anonymous.GetAsync($"users/{user}", Cancellation);
        Assert.Equal(HttpStatusCode.NotFound, gone.StatusCode);
    }

    [Theory]
    [InlineData("users/..%2f..%2fetc%2fpasswd")]
    [InlineData("users/%2e%2e%5c")]
    [InlineData("users/'%20or%201=1%20--")]
    [InlineData("users/%3Cscript%3Ealert(1)%3C%2Fscript%3E")]
    public async Task An_id_that_means_something_elsewhere_means_nothing_here(string path)
    {
        using var response = await server.Anonymous.GetAsync(path, Cancellation);

        await AssertProblemAsync(HttpStatusCode.NotFound, "Nothing is known of this user.", response);
    }

    [Theory]
    [InlineData("%0A")]
    [InlineData("anna%0d%0aX-Injected:%201")]
    [InlineData("%1b%5b31m")]
    [InlineData("%7f")]
    [InlineData("%C2%85")]
    [InlineData("%ff%fe")]
    public async Task An_id_with_control_characters_or_broken_text_is_refused_everywhere(string id)
    {
        foreach (var path in new[] { $"users/{id}", $"recommendations/{id}" })
        {
            var answer = await RawAsync($"GET /{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");

            Assert.StartsWith("HTTP/1.1 400 ", answer, StringComparison.Ordinal);
            Assert.DoesNotContain("X-Injected: 1", answer, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task An_id_of_256_bytes_is_asked_for_and_a_longer_one_refused()
    {
        using (var longest = await server.Anonymous.GetAsync($"users/{new string('x', 256)}", Cancellation))
        {
            Assert.Equal(HttpStatusCode.NotFound, longest.StatusCode);
        }

        using (var longer = await server.Anonymous.GetAsync($"recommendations/{new string('x', 257)}", Cancellation))
        {
            await AssertProblemAsync(HttpStatusCode.BadRequest, "The user id must be 1 to 256 UTF-8 bytes without control characters.", longer);
        }

        using (var deleted = await server.Owner.DeleteAsync($"users/{new string('x', 257)}", Cancellation))
        {
            await AssertProblemAsync(HttpStatusCode.BadRequest, "256", deleted);
        }

        using var huge = await server.Anonymous.GetAsync($"users/{new string('x', 10_000)}", Cancellation);
        Assert.Equal(HttpStatusCode.RequestUriTooLong, huge.StatusCode);
        Assert.Equal("alive", await server.Anonymous.GetStringAsync("health/live", Cancellation));
    }

    [Theory]
    [InlineData("GET /users/%00 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")]
    [InlineData("GET /users/anna HTTP/1.1\r\nConnection: close\r\n\r\n")]
    [InlineData("GET /users/anna HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: other\r\nConnection: close\r\n\r\n")]
    [InlineData("hello\r\n\r\n")]
    public async Task A_request_that_is_not_one_is_refused(string request) =>
        Assert.StartsWith("HTTP/1.1 400 ", await RawAsync(request), StringComparison.Ordinal);

    [Fact]
    public async Task A_web_page_of_another_site_is_given_no_permission()
    {
        using var request = new HttpRequestMessage(HttpMethod.Options, "users/anna");
        request.Headers.TryAddWithoutValidation("Origin", "http://streamrec.example");
        request.Headers.TryAddWithoutValidation("Access-Control-Request-Method", "DELETE");
        using var response = await server.Anonymous.SendAsync(request, Cancellation);

        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
        Assert.DoesNotContain(response.Headers, header => header.Key.StartsWith("Access-Control", StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public void Only_loopback_is_listened_on()
    {
        Assert.Equal("127.0.0.1", server.Address.Url.Host);
        Assert.Equal(server.Address.Url, new Uri(Assert.Single(server.Urls)));
        Assert.All(
            IPGlobalProperties.GetIPGlobalProperties().GetActiveTcpListeners().Where(end => end.Port == server.Address.Url.Port),
            end => Assert.Equal(IPAddress.Loopback, end.Address));
    }

    private async Task<JsonElement> GetAsync(string path)
    {
        using var response = await server.Anonymous.GetAsync(path, Cancellation);
        var body = await response.Content.ReadAsStringAsync(Cancellation);
        Assert.True(response.IsSuccessStatusCode, $"{path}: {(int)response.StatusCode} {body}");
        using var document = JsonDocument.Parse(body);
        return document.RootElement.Clone();
    }

    // HttpClient mends addresses before it sends them.
    private async Task<string> RawAsync(string request)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, server.Address.Url.Port, Cancellation);
        await using var stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(request), Cancellation);
        using var reader = new StreamReader(stream);
        return await reader.ReadToEndAsync(Cancellation);
    }

    private static async Task AssertProblemAsync(HttpStatusCode status, string? detail, HttpResponseMessage response)
    {
        var body = await response.Content.ReadAsStringAsync(Cancellation);
        Assert.True(status == response.StatusCode, $"{(int)response.StatusCode} instead of {(int)status}: {body}");
        Assert.Equal(new MediaTypeHeaderValue("application/problem+json").MediaType, response.Content.Headers.ContentType?.MediaType);
        using var problem = JsonDocument.Parse(body);
        Assert.Equal((int)status, problem.RootElement.GetProperty("status").GetInt32());
        if (detail is not null)
        {
            Assert.Contains(detail, problem.RootElement.GetProperty("detail").GetString(), StringComparison.Ordinal);
        }
    }
}
