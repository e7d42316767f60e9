using StreamRec.Domain;

namespace StreamRec.Users;

internal sealed partial class UserShard
{
    /// <summary>What one turn has decided so far.</summary>
    private sealed class Decision(int records)
    {
        /// <summary>Rented; the finisher gives it back. No turn has more users than records.</summary>
        public TouchedUser[] Users { get; } = Turn.UserArrays.Rent(records);

        public int UserCount { get; private set; }

        public List<SegmentEntry> Entries { get; } = new(records);

        public List<string> SegmentUserIds { get; } = [];

        public List<int> SegmentUsers { get; } = [];

        public long FirstOffset { get; set; }

        public int Duplicates { get; set; }

        public int Redelivered { get; set; }

        public int Lists { get; set; }

        /// <summary>Adds a user and returns its index plus one.</summary>
        public int Add(string userId, int slot)
        {
            Users[UserCount++] = new TouchedUser { UserId = userId, Slot = slot, SegmentUser = -1 };
            return UserCount;
        }

        public void Append(int userIndex, int item, in IngestedInteraction record)
        {
            ref var user = ref Users[userIndex];
            if (user.SegmentUser < 0)
            {
                user.SegmentUser = SegmentUserIds.Count;
                SegmentUserIds.Add(user.UserId);
                SegmentUsers.Add(userIndex);
            }

            var interaction = record.Interaction;
            Entries.Add(new SegmentEntry(
                user.SegmentUser, item, interaction.Type, record.Offset, interaction.TimestampMs, interaction.Value, interaction.EventId));
        }
    }
}
