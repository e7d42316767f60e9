using System.CommandLine;
using Microsoft.Extensions.Logging;
using StreamRec.Cli.Simulation;
using StreamRec.Domain;
using StreamRec.Kafka.Publish;

namespace StreamRec.Cli.Commands;

/// <summary><c>streamrec simulate</c>: a shop whose customers' tastes drift, as a stream of interactions.</summary>
internal static class SimulateCommand
{
    public static Command Create()
    {
        var users = new Option<int>("--users") { Description = "Customers.", DefaultValueFactory = _ => 2_000 };
        var items = new Option<int>("--items") { Description = "Items for sale.", DefaultValueFactory = _ => 1_000 };
        var categories = new Option<int>("--categories") { Description = "Categories.", DefaultValueFactory = _ => 40 };
        var drift = new Option<double>("--drift") { Description = "How often a taste changes, for each interaction.", DefaultValueFactory = _ => 0.04 };
        var seed = new Option<int>("--seed") { Description = "The same seed gives the same stream.", DefaultValueFactory = _ => 1 };
        var rate = new Option<double>("--rate") { Description = "Interactions a second; 0 = as fast as possible.", DefaultValueFactory = _ => 500 };
        var count = new Option<long>("--count") { Description = "Interactions to send.", DefaultValueFactory = _ => 100_000 };
        var command = new Command("simulate", "Send a simulated shop's interactions to the interactions topic.") { users, items, categories, drift, seed, rate, count };
        command.SetAction(async (result, cancellationToken) =>
        {
            using var logs = Settings.Logs(result);
            var shop = new Shop(new ShopOptions
            {
                Users = result.GetValue(users),
                Items = result.GetValue(items),
                Categories = result.GetValue(categories),
                Drift = result.GetValue(drift),
                Seed = result.GetValue(seed),
            });
            var (cluster, kafka) = await Feed.ConnectAsync(Settings.Read(result), logs, cancellationToken);
            await using (cluster)
            {
                using var producer = new InteractionProducer(cluster, kafka, logs.CreateLogger<InteractionProducer>());
                foreach (var (id, title, category) in shop.Catalogue())
                {
                    producer.Describe(id, title, category);
                }

                var total = result.GetValue(count);
                var sent = await Output.WithProgressAsync("simulating", total, "interactions", report =>
                    Feed.SendAsync(producer, Stream(shop, total), result.GetValue(rate), report, cancellationToken));
                if (Settings.AsJson(result))
                {
                    Output.WriteJson(new { Sent = sent });
                }
                else
                {
                    Console.WriteLine($"Sent {sent:N0} interactions.");
                }

                return ExitCode.Success;
            }
        });
        return command;
    }

    /// <summary>A stretch of the shop's stream, with the time of sending.</summary>
    public static IEnumerable<Interaction> Stream(Shop shop, long count)
    {
        for (var i = 0L; i < count; i++)
        {
            yield return shop.Next(TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds());
        }
    }
}
